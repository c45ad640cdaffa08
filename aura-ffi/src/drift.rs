//! The definitions are held to the header: a signature that drifted does not compile.
//!
//! The types need no such gate, since they are generated from the header. Names are compared by
//! `cargo xtask test`: header, version map and library have the same.

use crate::header;

/// Coerces the definition to the very type of the declaration.
macro_rules! same {
    ($($name:ident($($parameter:tt),*);)*) => {$(
        const _: () = {
            let mut function = header::$name as unsafe extern "C" fn($($parameter),*) -> _;
            let _ = function;
            function = crate::$name;
            let _ = function;
        };
    )*};
}

same! {
    aura_options_init(_);
    aura_create();
    aura_create_with_options(_);
    aura_destroy(_);
    aura_read(_, _, _, _, _, _, _);
    aura_write(_, _, _, _, _, _, _);
    aura_readv(_, _, _, _, _, _, _);
    aura_writev(_, _, _, _, _, _, _);
    aura_fsync(_, _, _, _, _);
    aura_openat(_, _, _, _, _, _, _);
    aura_close(_, _, _, _);
    aura_statx(_, _, _, _, _, _, _, _);
    aura_fallocate(_, _, _, _, _, _, _);
    aura_ftruncate(_, _, _, _, _);
    aura_sync_file_range(_, _, _, _, _, _, _);
    aura_op_init(_, _);
    aura_submit(_, _, _, _);
    aura_submit_batch(_, _, _, _);
    aura_when_room(_, _, _);
    aura_post(_, _, _);
    aura_cancel(_, _);
    aura_request_pending(_);
    aura_request_fd(_);
    aura_request_user_data(_);
    aura_request_op_type(_);
    aura_get_poll_fd(_);
    aura_poll(_);
    aura_wait(_, _);
    aura_run(_);
    aura_stop(_);
    aura_drain(_, _);
    aura_flush(_);
    aura_pending_count(_);
    aura_buffer_alloc(_, _);
    aura_buffer_free(_, _);
    aura_pool_share(_);
    aura_pool_free(_, _);
    aura_pool_release(_);
    aura_register_buffers(_, _, _);
    aura_register_files(_, _, _);
    aura_update_file(_, _, _);
    aura_unregister(_, _);
    aura_request_unregister(_, _);
    aura_get_stats(_, _, _);
    aura_get_ring_count(_);
    aura_get_ring_stats(_, _, _, _);
    aura_get_histogram(_, _, _, _);
    aura_get_buffer_stats(_, _, _);
    aura_phase_name(_);
    aura_histogram_percentile(_, _);
    aura_histogram_bucket_upper_bound_us(_, _);
    aura_get_fatal_error(_);
    aura_in_callback_context();
    aura_set_max_p99_latency(_, _);
    aura_set_min_in_flight(_, _);
    aura_set_batch_threshold(_, _);
    aura_set_log_handler(_, _);
    aura_metrics_prometheus(_, _, _);
    aura_metrics_otel(_, _, _);
    aura_otel_push(_, _, _);
    aura_syslog_install(_);
    aura_syslog_remove();
    aura_version();
    aura_version_int();
}
