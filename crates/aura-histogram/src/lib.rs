//! Latency histogram with one writer, many readers, windows and percentiles that state their error.
