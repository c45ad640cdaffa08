//! The scenarios.

use super::{Best, MakeDevice, Scenario, Span, Target, span};
use crate::devices::{
    CachedDisk, Elevator, HostedDisk, NeighbourOn, Preempted, Scheduled, Service, SharedQueue,
    Sized, Stalling, StripedDies, Throttled, TokenBucket, VirtioDisk,
};
use crate::load::Load;
use crate::rng::Rng;
use crate::run::Faults;
use crate::{MS, SEC};

const FLASH: Service = Service::Flash(80_000.0);
const MEMORYLESS: Service = Service::Exponential(80_000.0);
const SLOW_FLASH: Service = Service::Flash(160_000.0);

/// Every scenario, by number, those without a number last.
#[must_use]
pub fn all() -> Vec<Scenario> {
    let mut all = steady();
    all.extend(changing());
    all.push(block_throttle());
    all.extend(targets());
    all.extend(faults());
    all.extend(crowds());
    all.extend(preempted());
    let number = |name: &str| name.split('-').next().and_then(|first| first.parse().ok());
    all.sort_by_key(|scenario| number(scenario.name).unwrap_or(u32::MAX));
    all
}

/// A device without surprises under 1 024 clients, judged from 1 s on.
fn plain(name: &'static str, about: &'static str, duration_s: u64, device: MakeDevice) -> Scenario {
    Scenario {
        name,
        about,
        duration_s: duration_s as f64,
        limits: (4, 1024),
        target: Target::Throughput,
        device,
        load: || Load::closed(1024),
        parties: 1,
        faults: Faults::default(),
        spans: vec![span(100, 1_000, duration_s * 1_000, device)],
    }
}

fn steady() -> Vec<Scenario> {
    let elevator =
        plain(
            "3-elevator",
            "disk with an arm, 120 to 380/s",
            120,
            || Box::new(Elevator::default()),
        );
    let patient = |span: &Span| Span {
        judged_ns: 15 * SEC,
        over_ns: 2 * SEC,
        best: Best::Sweep { device: elevator.device, bytes: 4096, each_ns: 40 * SEC },
        ..*span
    };
    let elevator = Scenario {
        limits: (4, 256),
        load: || Load::closed(256),
        spans: elevator.spans.iter().map(patient).collect(),
        ..elevator
    };
    vec![
        plain("1-shared-queue", "32 servers of 80 us behind one queue", 4, || {
            Box::new(SharedQueue::new(32, MEMORYLESS))
        }),
        plain("2-striped-dies", "32 dies of 80 us with queues of their own", 4, || {
            Box::new(StripedDies::new(32, FLASH))
        }),
        elevator,
        plain("6-pareto", "32 servers, Pareto tail", 6, || {
            Box::new(SharedQueue::new(32, Service::Pareto(80_000.0)))
        }),
        plain("6-stalls", "32 servers, a stall of 20 ms each second", 6, || {
            let inner = SharedQueue::new(32, FLASH);
            Box::new(Stalling { inner, period_ns: SEC, stall_ns: 20 * MS })
        }),
        app_limited(),
        plain("10-cached", "90 % cache hits of 3 us, 8 servers of 100 us for the rest", 3, || {
            Box::new(CachedDisk::new(0.9, SharedQueue::new(8, Service::Flash(100_000.0))))
        }),
        plain("11-throttle", "20 000/s, no more, at a latency of 1 ms", 8, || {
            Box::new(TokenBucket::new(20_000.0, MS))
        }),
        plain("virtio", "virtio disk: 120 000/s at depth 50, a tail of ms beyond 60", 5, || {
            Box::new(VirtioDisk::default())
        }),
    ]
}

/// A half second of overload, then 30 % of capacity with bursts.
fn app_limited() -> Scenario {
    let about = "overload for 0.5 s, then 30 % of capacity and bursts of 100";
    let scenario = plain("9-app-limited", about, 4, || Box::new(SharedQueue::new(32, MEMORYLESS)));
    let mut next_span = span(1_000, 1_500, 4_000, scenario.device);
    next_span.best = Best::Offered(121_000.0);
    Scenario {
        load: || {
            let mut next_burst_ns = 100 * MS;
            Load::open(move |now_ns, rng: &mut Rng| {
                let rate = if now_ns < SEC / 2 { 600_000.0 } else { 120_000.0 };
                let next_ns = now_ns + (rng.exponential() * 1e9 / rate) as u64 + 1;
                if next_ns < next_burst_ns {
                    return (next_ns, 1);
                }
                let at_ns = next_burst_ns.max(now_ns);
                next_burst_ns = at_ns + 100 * MS;
                (at_ns, 100)
            })
        },
        spans: vec![next_span],
        ..scenario
    }
}

fn changing() -> Vec<Scenario> {
    let full: MakeDevice = || Box::new(SharedQueue::new(32, MEMORYLESS));
    let quarter: MakeDevice = || Box::new(SharedQueue::new(8, MEMORYLESS));
    let shared: MakeDevice =
        || Box::new(NeighbourOn::new(SharedQueue::new(32, MEMORYLESS), 48, 0, u64::MAX));
    let fast: MakeDevice = || Box::new(TokenBucket::new(12_000.0, MS));
    let slow: MakeDevice = || Box::new(TokenBucket::new(3_000.0, MS));
    let large = |span: Span| Span {
        best: Best::Sweep { device: sized, bytes: 262_144, each_ns: 2 * SEC },
        ..span
    };
    vec![
        Scenario {
            limits: (1, 1024),
            spans: vec![span(100, 1_000, 4_000, fast), span(5_200, 6_000, 12_000, slow)],
            ..plain(
                "4-cloud-volume",
                "12 000/s until the credit is used up, then 3 000/s",
                12,
                || Box::new(TokenBucket::with_burst(3_000.0, MS, 12_000.0, 60_000)),
            )
        },
        Scenario {
            spans: vec![
                span(100, 500, 2_000, full),
                span(2_000, 2_500, 4_000, quarter),
                span(4_000, 4_500, 6_000, full),
            ],
            ..plain("5-capacity", "capacity falls to a quarter and returns", 6, || {
                let schedule = vec![(2 * SEC, 8), (4 * SEC, 32)];
                Box::new(Scheduled::new(SharedQueue::new(32, MEMORYLESS), schedule))
            })
        },
        Scenario {
            spans: vec![
                span(100, 500, 2_000, full),
                span(2_000, 2_500, 5_000, shared),
                span(5_000, 5_500, 8_000, full),
            ],
            ..plain("7-neighbour", "a neighbour at depth 48 comes and goes", 8, || {
                let inner = SharedQueue::new(32, MEMORYLESS);
                Box::new(NeighbourOn::new(inner, 48, 2 * SEC, 5 * SEC))
            })
        },
        Scenario {
            load: || {
                let large = |now_ns: u64| (now_ns / (2 * SEC)) % 2 == 1;
                Load::closed(1024)
                    .with_bytes(move |now_ns| if large(now_ns) { 262_144 } else { 4096 })
            },
            spans: vec![
                span(100, 500, 2_000, sized),
                large(span(2_000, 2_500, 4_000, sized)),
                span(4_000, 4_500, 6_000, sized),
                large(span(6_000, 6_500, 8_000, sized)),
            ],
            ..plain("8-sizes", "4 KiB and 256 KiB by turns of 2 s", 8, sized)
        },
    ]
}

/// A loop device under a block-I/O throttle that changes.
fn block_throttle() -> Scenario {
    fn of(schedule: &[(u64, u32)]) -> Box<dyn crate::device::Device> {
        Box::new(Throttled::new(VirtioDisk::default(), 128, schedule))
    }
    let (fast, slow): (MakeDevice, MakeDevice) = (|| of(&[(0, 20_000)]), || of(&[(0, 5_000)]));
    // A multiple of the bursts' distance, or throughput would seem to swing.
    let patient = |from_ms: u64, device: MakeDevice| Span {
        over_ns: 200 * MS,
        best: Best::Sweep { device, bytes: 4096, each_ns: 2 * SEC },
        ..span(from_ms, from_ms + 1_000, from_ms + 4_000, device)
    };
    let about = "20 000, 5 000, 20 000/s in ten bursts a second, at most 128 at a time";
    Scenario {
        spans: vec![patient(0, fast), patient(4_000, slow), patient(8_000, fast)],
        ..plain("11-block-throttle", about, 12, || {
            of(&[(0, 20_000), (4 * SEC, 5_000), (8 * SEC, 20_000)])
        })
    }
}

fn sized() -> Box<dyn crate::device::Device> {
    Box::new(Sized::new(32))
}

fn targets() -> Vec<Scenario> {
    let shared: MakeDevice = || Box::new(SharedQueue::new(16, SLOW_FLASH));
    let striped: MakeDevice = || Box::new(StripedDies::new(16, SLOW_FLASH));
    let target = |name, about, device, multiple| {
        let scenario = plain(name, about, 12, device);
        let accurate = Best::Sweep { device, bytes: 4096, each_ns: 2 * SEC };
        Scenario {
            limits: (4, 256),
            load: || Load::closed(256),
            target: Target::OfKnee(multiple),
            spans: scenario.spans.iter().map(|span| Span { best: accurate, ..*span }).collect(),
            ..scenario
        }
    };
    let queue = "16 servers of 160 us behind one queue, target a multiple of the knee's p99";
    let dies = "16 dies of 160 us, target a multiple of the knee's p99";
    vec![
        target("12-shared-0.5", queue, shared, 0.5),
        target("12-shared-1", queue, shared, 1.0),
        target("12-shared-2", queue, shared, 2.0),
        target("12-shared-5", queue, shared, 5.0),
        target("12-dies-0.5", dies, striped, 0.5),
        target("12-dies-1", dies, striped, 1.0),
        target("12-dies-2", dies, striped, 2.0),
        target("12-dies-5", dies, striped, 5.0),
        Scenario {
            target: Target::Nanoseconds(MS),
            ..plain("virtio-1ms", "virtio disk with a target of 1 ms", 8, || {
                Box::new(VirtioDisk::default())
            })
        },
    ]
}

fn faults() -> Vec<Scenario> {
    let with = |name, about, faults| Scenario {
        faults,
        ..plain(name, about, 3, || Box::new(SharedQueue::new(32, FLASH)))
    };
    let pause = Faults { pause_at_ns: 1_500 * MS, pause_ns: 50 * MS, ..Faults::default() };
    let hour_ns = 3_600 * SEC as i64;
    let step = Faults { step_at_ns: 1_500 * MS, step_ns: hour_ns, ..Faults::default() };
    vec![
        with("13-pause", "nobody polls for 50 ms", pause),
        with("13-clock-step", "the clock jumps by an hour", step),
    ]
}

/// The virtio disk of a machine whose processors others use as well: now and then nothing moves.
fn preempted() -> Vec<Scenario> {
    let busy: MakeDevice =
        || Box::new(Preempted::new(VirtioDisk::default(), SEC as f64 / 15.0, 2.0 * MS as f64));
    let crowded: MakeDevice =
        || Box::new(Preempted::new(VirtioDisk::default(), 8.0 * MS as f64, 4.0 * MS as f64));
    let on = |name, about, device: MakeDevice, target| {
        let scenario = plain(name, about, 12, device);
        let best = Best::Sweep { device, bytes: 4096, each_ns: 4 * SEC };
        let accurate = |span: &Span| Span { over_ns: 200 * MS, best, ..*span };
        let spans = scenario.spans.iter().map(accurate).collect();
        Scenario { target, spans, limits: (4, 512), load: || Load::closed(512), ..scenario }
    };
    let target = Target::Nanoseconds(MS);
    let hosted: MakeDevice = || Box::new(HostedDisk::default());
    vec![
        on(
            "hosted",
            "virtual disk that its host leaves alone now and then",
            hosted,
            Target::Throughput,
        ),
        on("hosted-1ms", "the same with a target of 1 ms", hosted, target),
        on("busy", "virtio disk, pauses of 2 ms 15 times a second", busy, Target::Throughput),
        on("busy-1ms", "virtio disk, pauses of 2 ms 15 times a second, target 1 ms", busy, target),
        on(
            "crowded",
            "virtio disk, a third of the time pauses of 4 ms",
            crowded,
            Target::Throughput,
        ),
    ]
}

/// Limiters that know nothing of each other on one device.
fn crowds() -> Vec<Scenario> {
    let crowd = |name, about, device: MakeDevice| Scenario {
        parties: 3,
        spans: vec![span(100, 2_000, 8_000, device)],
        ..plain(name, about, 8, device)
    };
    vec![
        crowd("14-three-limiters", "three limiters share 32 servers of 80 us", || {
            Box::new(SharedQueue::new(32, MEMORYLESS))
        }),
        Scenario {
            target: Target::Nanoseconds(MS),
            ..crowd(
                "14-three-targets",
                "three limiters share 32 servers, each with a target of 1 ms",
                || Box::new(SharedQueue::new(32, MEMORYLESS)),
            )
        },
    ]
}
