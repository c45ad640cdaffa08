//! What the process holds when all is quiet.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use aura::Engine;

use crate::stints::Failure;

/// One measurement, in the order of [`GAUGES`].
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) values: [u64; GAUGES.len()],
}

/// A quantity that must not grow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gauge {
    pub(crate) name: &'static str,
    /// Growth over the last half of the run that is still flat: a fixed part, and a share of the value.
    pub(crate) slack: u64,
    pub(crate) slack_percent: u64,
}

const fn gauge(name: &'static str, slack: u64, slack_percent: u64) -> Gauge {
    Gauge { name, slack, slack_percent }
}

/// Descriptors, threads and buffers handed out are counted to the last one. Memory has an allocator in
/// between, which keeps what threads gave back. The standing engine registers slabs of its pool with the
/// kernel as they are used, which is locked memory: a slab more or less is the pool's.
pub(crate) const GAUGES: [Gauge; 7] = [
    gauge("resident memory, KiB", 4096, 2),
    gauge("memory locked or pinned, KiB", 2048, 0),
    gauge("descriptors", 0, 0),
    gauge("threads", 0, 0),
    gauge("mappings", 16, 2),
    gauge("pool: buffers handed out", 0, 0),
    gauge("pool: bytes handed out", 0, 0),
];

/// What is counted to the last one.
const DESCRIPTORS: usize = 2;
const THREADS: usize = 3;

/// How long descriptors and threads may take to go: the kernel gives up a ring's in the background.
const SETTLE: Duration = Duration::from_millis(300);

/// Measures, when what ended with the shift has gone.
pub(crate) fn quiet_sample(standing: &Engine, before: Option<&Sample>) -> Result<Sample, Failure> {
    let begun = Instant::now();
    loop {
        let sample = sample(standing)?;
        let is_settled = before.is_none_or(|before| {
            [DESCRIPTORS, THREADS].iter().all(|&at| sample.values[at] <= before.values[at])
        });
        if is_settled || begun.elapsed() > SETTLE {
            return Ok(sample);
        }
        thread::sleep(Duration::from_millis(10));
    }
}

fn sample(standing: &Engine) -> Result<Sample, Failure> {
    let status = fs::read_to_string("/proc/self/status")?;
    let kib = |name: &str| -> u64 {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|line| line.split_whitespace().next());
        number.and_then(|number| number.parse().ok()).unwrap_or_default()
    };
    let pool = standing.buffer_stats()?;
    let maps = fs::read_to_string("/proc/self/maps")?;
    Ok(Sample {
        values: [
            kib("VmRSS:"),
            kib("VmLck:") + kib("VmPin:"),
            fs::read_dir("/proc/self/fd")?.count() as u64,
            threads()?,
            maps.lines().count() as u64,
            pool.total_buffers() as u64,
            pool.total_allocated_bytes() as u64,
        ],
    })
}

/// Threads of the program. The kernel's workers for io_uring are listed beside them, and stay for seconds;
/// so does the thread that looks whether futures are driven, of which there is one at most.
fn threads() -> Result<u64, Failure> {
    let mut count = 0;
    for task in fs::read_dir("/proc/self/task")? {
        // A thread may end meanwhile.
        let name = fs::read_to_string(task?.path().join("comm")).unwrap_or_default();
        let is_passing = ["iou-", "aura-watch"].iter().any(|passing| name.starts_with(passing));
        let is_ours = !name.is_empty() && !is_passing;
        count += u64::from(is_ours);
    }
    Ok(count)
}
