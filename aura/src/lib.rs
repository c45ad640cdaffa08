//! Self-tuning asynchronous file I/O for Linux on io_uring.
