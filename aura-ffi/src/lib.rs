#![doc = include_str!("../README.md")]
//!
//! # Where to find what
//!
//! What a function promises is said once, in `include/*.h`. Here is how.
//!
//! | module | what lives there |
//! | --- | --- |
//! | [`header`] | types, constants and signatures, generated from the headers |
//! | `drift` | the definitions are held to the signatures |
//! | `names` | engines by name, so that none is ever followed as a pointer |
//! | `errno`, `sized` | reporting failure; structs that may be shorter or longer than ours |
//! | `options`, `life` | settings, creation, the end |
//! | `submit`, `operation`, `request` | the way in, one by one and as data; questions about requests |
//! | `events` | processing completions |
//! | `buffers`, `registered` | memory and files |
//! | `stats`, `histogram`, `log`, `version` | what the library says |
//! | `metrics`, `push`, `syslog` | the same for Prometheus, OpenTelemetry and syslog |
//!
//! This crate is `unsafe` throughout, because it is a C interface. What a C caller has to
//! guarantee, and no check can replace, is always the same: pointers that are not null point to
//! what the header says, for as long as the header says. `SAFETY` comments call it *the caller's
//! word*.

#![allow(
    missing_docs,
    clippy::missing_safety_doc,
    reason = "the contract of each function is its comment in aura.h"
)]

mod buffers;
mod drift;
mod entry;
mod errno;
mod events;
#[allow(
    missing_docs,
    missing_debug_implementations,
    non_camel_case_types,
    non_upper_case_globals,
    clippy::all,
    reason = "generated from the header, where the documentation is"
)]
pub mod header;
mod histogram;
mod life;
mod log;
mod metrics;
mod names;
mod operation;
mod options;
mod pool;
mod primitive;
mod push;
mod registered;
mod request;
mod room;
mod sized;
mod stats;
mod submit;
mod syslog;
mod version;

pub use buffers::{
    aura_buf, aura_buf_fixed, aura_buf_fixed_idx, aura_buffer_alloc, aura_buffer_free,
};
pub use events::{
    aura_drain, aura_flush, aura_get_poll_fd, aura_in_callback_context, aura_pending_count,
    aura_poll, aura_run, aura_stop, aura_wait,
};
pub use histogram::{
    aura_get_histogram, aura_histogram_bucket_upper_bound_us, aura_histogram_percentile,
};
pub use life::{aura_create, aura_create_with_options, aura_destroy};
pub use log::aura_set_log_handler;
pub use metrics::{aura_metrics_otel, aura_metrics_prometheus};
pub use operation::{aura_op_init, aura_submit, aura_submit_batch};
pub use options::aura_options_init;
pub use pool::{aura_pool_free, aura_pool_release, aura_pool_share};
pub use push::aura_otel_push;
pub use registered::{
    aura_register_buffers, aura_register_files, aura_request_unregister, aura_unregister,
    aura_update_file,
};
pub use request::{
    aura_cancel, aura_request_fd, aura_request_op_type, aura_request_pending,
    aura_request_user_data,
};
pub use room::{aura_post, aura_when_room};
pub use stats::{
    aura_get_buffer_stats, aura_get_fatal_error, aura_get_ring_count, aura_get_ring_stats,
    aura_get_stats, aura_phase_name, aura_set_batch_threshold, aura_set_max_p99_latency,
    aura_set_min_in_flight,
};
#[doc(hidden)]
pub use submit::nop;
pub use submit::{
    aura_close, aura_fallocate, aura_fsync, aura_ftruncate, aura_openat, aura_read, aura_readv,
    aura_statx, aura_sync_file_range, aura_write, aura_writev,
};
pub use syslog::{aura_syslog_install, aura_syslog_remove};
pub use version::{aura_version, aura_version_int};
