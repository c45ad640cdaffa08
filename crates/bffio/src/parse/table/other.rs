//! Options that are known and do nothing here, or are refused.

use super::super::spec::{Form, Spec};

const fn ignored(name: &'static str, form: Form) -> Spec {
    Spec::ignored(name, form)
}

/// They tune how fio itself works, or the machine, and cannot change what Aura's engine measures.
pub(super) const IGNORED: &[Spec] = &[
    // Batches and completions are the engine's own decision.
    ignored("iodepth_batch", Form::Count).alias(&["iodepth_batch_submit"]),
    ignored("iodepth_batch_complete_min", Form::Count).alias(&["iodepth_batch_complete"]),
    ignored("iodepth_batch_complete_max", Form::Count),
    ignored("iodepth_low", Form::Count),
    ignored("io_submit_mode", Form::Choice(&["inline", "offload"])),
    ignored("serialize_overlap", Form::Bool),
    // Contents: writes are random bytes, never the same twice in a row.
    ignored("refill_buffers", Form::Flag),
    ignored("scramble_buffers", Form::Bool),
    ignored("buffer_compress_percentage", Form::Count),
    ignored("buffer_compress_chunk", Form::Bytes),
    ignored("dedupe_percentage", Form::Count),
    ignored("dedupe_mode", Form::Choice(&["repeat", "working_set"])),
    ignored("dedupe_working_set_percentage", Form::Count),
    ignored("dedupe_global", Form::Bool),
    // Memory: buffers are aligned and pooled by the engine.
    ignored("mem", Form::Text).alias(&["iomem"]),
    ignored("mem_align", Form::Bytes).alias(&["iomem_align"]),
    ignored("hugepage-size", Form::Bytes),
    ignored("lockmem", Form::Bytes),
    // Files are laid out before the jobs start, and stay open.
    ignored("fallocate", Form::Choice(&["none", "native", "posix", "keep", "truncate", "0", "1"])),
    ignored("fadvise_hint", Form::Choice(&["0", "1", "random", "sequential", "none"])),
    ignored("openfiles", Form::Count),
    ignored("create_on_open", Form::Bool),
    ignored("create_serialize", Form::Bool),
    ignored("unique_filename", Form::Bool),
    ignored("allow_mounted_write", Form::Bool),
    // Clocks, generators, processors.
    ignored("clocksource", Form::Choice(&["gettimeofday", "clock_gettime", "cpu"])),
    ignored("gtod_cpu", Form::Count),
    ignored("random_generator", Form::Choice(&["tausworthe", "lfsr", "tausworthe64"])),
    ignored("softrandommap", Form::Bool),
    ignored("cpus_allowed", Form::Text),
    ignored("cpus_allowed_policy", Form::Choice(&["shared", "split"])),
    ignored("cpumask", Form::Count),
    ignored("numa_cpu_nodes", Form::Text),
    ignored("numa_mem_policy", Form::Text),
    ignored("nice", Form::Count),
    ignored("prio", Form::Count),
    ignored("prioclass", Form::Count),
    ignored("write_hint", Form::Choice(&["none", "short", "medium", "long", "extreme"])),
    // Engines' own switches.
    ignored("hipri", Form::Flag),
    ignored("hipri_percentage", Form::Count),
    ignored("fixedbufs", Form::Flag),
    ignored("registerfiles", Form::Flag),
    ignored("sqthread_poll", Form::Flag),
    ignored("sqthread_poll_cpu", Form::Count),
    ignored("nonvectored", Form::Flag),
    ignored("uncached", Form::Flag),
    ignored("nowait", Form::Bool),
    ignored("force_async", Form::Count),
    ignored("userspace_reap", Form::Flag),
    ignored("cmd_type", Form::Choice(&["nvme"])),
    ignored("cmdprio_percentage", Form::Text),
    ignored("cmdprio_class", Form::Text),
    ignored("cmdprio", Form::Text),
    ignored("cmdprio_bssplit", Form::Text),
    // Diagnostics that have no counterpart.
    ignored("verify_async", Form::Count),
    ignored("verify_async_cpus", Form::Text),
    ignored("verify_dump", Form::Bool),
    ignored("verify_state_save", Form::Bool),
    ignored("error_dump", Form::Bool),
    ignored("block_error_percentiles", Form::Bool),
    ignored("log_entries", Form::Count),
    ignored("log_compression", Form::Bytes),
    ignored("log_compression_cpus", Form::Text),
    ignored("log_alternate_epoch_clock_id", Form::Count),
    ignored("rwmixcycle", Form::Count),
];

const ZONED: &str = "zoned devices are left to fio; leave the option out";
const REPLAY: &str = "I/O logs are neither replayed nor recorded; use fio for that";
const TRIM: &str = "nothing is discarded; leave the option out";
const FLOW: &str = "jobs are not balanced against each other; use rate or rate_iops";
const COMPUTE: &str = "every job does I/O; run such a load beside bffio";
const NETWORK: &str = "bffio measures storage of this machine only";
const PRIVILEGE: &str = "start bffio in that cgroup, or as that user";

/// They would change what is measured. With `0` or `none` they are accepted: then they ask for nothing.
pub(super) const REFUSED: &[Spec] = &[
    Spec::refused("opendir", "list the files in filename, with a colon between them"),
    Spec::refused("ignore_error", "use continue_on_error"),
    Spec::refused("exit_what", "exitall ends all jobs"),
    Spec::refused("atomic", "writes are not atomic; use direct=1 with sync=dsync"),
    Spec::refused("write_barrier", "use fsync=N or fdatasync=N"),
    Spec::refused("sync_file_range", "use fdatasync=N"),
    Spec::refused("lockfile", "files are not locked; leave the option out"),
    Spec::refused(
        "ioscheduler",
        "write the scheduler's name to /sys/block/DEVICE/queue/scheduler before the run",
    ),
    Spec::refused("profile", "write the jobs out in a job file"),
    Spec::refused("verify_offset", "checksums are at the beginning of each interval"),
    Spec::refused("verify_state_load", "runs cannot be resumed; leave the option out"),
    Spec::refused("experimental_verify", "leave the option out; verify does the same"),
    Spec::refused("log_alternate_epoch", "use log_unix_epoch=1"),
    Spec::refused("log_store_compressed", "compress the logs after the run"),
    Spec::refused("read_iolog", REPLAY),
    Spec::refused("read_iolog_chunked", REPLAY),
    Spec::refused("write_iolog", REPLAY),
    Spec::refused("replay_no_stall", REPLAY),
    Spec::refused("replay_redirect", REPLAY),
    Spec::refused("replay_scale", REPLAY),
    Spec::refused("replay_align", REPLAY),
    Spec::refused("replay_time_scale", REPLAY),
    Spec::refused("replay_skip", REPLAY),
    Spec::refused("merge_blktrace_file", REPLAY),
    Spec::refused("merge_blktrace_scalars", REPLAY),
    Spec::refused("merge_blktrace_iters", REPLAY),
    Spec::refused("zonemode", ZONED),
    Spec::refused("zonesize", ZONED),
    Spec::refused("zonecapacity", ZONED),
    Spec::refused("zonerange", ZONED),
    Spec::refused("zoneskip", ZONED),
    Spec::refused("read_beyond_wp", ZONED),
    Spec::refused("max_open_zones", ZONED),
    Spec::refused("job_max_open_zones", ZONED),
    Spec::refused("ignore_zone_limits", ZONED),
    Spec::refused("zone_reset_threshold", ZONED),
    Spec::refused("zone_reset_frequency", ZONED),
    Spec::refused("trim_percentage", TRIM),
    Spec::refused("trim_verify_zero", TRIM),
    Spec::refused("trim_backlog", TRIM),
    Spec::refused("trim_backlog_batch", TRIM),
    Spec::refused("flow", FLOW),
    Spec::refused("flow_id", FLOW),
    Spec::refused("flow_sleep", FLOW),
    Spec::refused("flow_watermark", FLOW),
    Spec::refused("cpuload", COMPUTE),
    Spec::refused("cpuchunks", COMPUTE),
    Spec::refused("cpumode", COMPUTE),
    Spec::refused("hostname", NETWORK),
    Spec::refused("port", NETWORK),
    Spec::refused("listen", NETWORK),
    Spec::refused("protocol", NETWORK),
    Spec::refused("clustername", NETWORK),
    Spec::refused("clientname", NETWORK),
    Spec::refused("rbdname", NETWORK),
    Spec::refused("pool", NETWORK),
    Spec::refused("cgroup", PRIVILEGE),
    Spec::refused("cgroup_weight", PRIVILEGE),
    Spec::refused("cgroup_nodelete", PRIVILEGE),
    Spec::refused("uid", PRIVILEGE),
    Spec::refused("gid", PRIVILEGE),
];
