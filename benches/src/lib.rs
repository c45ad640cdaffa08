//! What the benchmarks and the demo share.
