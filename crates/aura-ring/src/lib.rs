//! One io_uring behind a small typed interface: probing, operations, registered resources, waiting.
