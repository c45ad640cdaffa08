//! Aligned buffer pool with thread caches, shards and slabs, made for direct I/O.
