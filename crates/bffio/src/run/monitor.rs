//! What a worker counts, and when it looks up from its work: ramp and runtime, samples, logs, the trace,
//! the search.

use std::time::Duration;

use aura::Engine;

use super::control::{Board, Phase, Shown, phase_name};
use super::io::LOOK_AROUND_NS;
use super::workload::Step;
use crate::job::{Direction, Job, PerDirection};
use crate::log::Recorder;
use crate::search::{Answer, Finder, Seeker, Verdict};
use crate::stats::WorkerStats;
use crate::stats::bins::Bins;
use crate::stats::usage::Usage;
use crate::watch::TracePoint;

/// Points of a trace are at least so far apart, and farther in a long run.
const TRACE_STEP: Duration = Duration::from_millis(50);
/// About as many points as a picture can show.
const TRACE_POINTS: u32 = 3000;

/// A worker's counters and clocks.
pub(super) struct Monitor<'w> {
    /// What was counted since measuring began.
    pub(super) stats: WorkerStats,
    /// Nothing new is to be started.
    pub(super) stopping: bool,
    pub(super) seeker: Option<Seeker<'w>>,
    /// The search wants this depth held from now on, without the controller.
    pub(super) hold: Option<u32>,
    pub(super) trace: Vec<TracePoint>,
    job: &'w Job,
    board: &'w Board,
    logs: Option<Recorder>,
    begun_ns: u64,
    /// Since when it counts: the beginning, the end of the ramp, or the answer of the search.
    measured_ns: u64,
    ramp_ends_ns: Option<u64>,
    ends_ns: Option<u64>,
    usage_before: Usage,
    bandwidth: Sampling,
    iops: Sampling,
    /// Latencies since the trace's last point.
    recent: Bins,
    traced_ns: u64,
    traced_ios: u64,
    trace_step_ns: u64,
    /// Bytes that the worker transfers if nothing ends it before; 0 if only time does.
    expected_bytes: u64,
    /// What was counted before measuring began.
    before: PerDirection<(u64, u64)>,
}

/// Samples of a rate.
#[derive(Debug)]
struct Sampling {
    window_ns: u64,
    since_ns: u64,
    before: PerDirection<u64>,
}

impl<'w> Monitor<'w> {
    pub(super) fn new(
        job: &'w Job,
        board: &'w Board,
        logs: Option<Recorder>,
        now_ns: u64,
        expected_bytes: u64,
        depth_max: u32,
        seeker: Option<Seeker<'w>>,
    ) -> Self {
        let timing = &job.timing;
        let ramp_ns = timing.ramp.as_nanos() as u64;
        let ends_ns = timing.runtime.map(|time| now_ns + ramp_ns + time.as_nanos() as u64);
        let trace_step =
            timing.runtime.map_or(TRACE_STEP, |time| TRACE_STEP.max(time / TRACE_POINTS));
        let sampling = |window: Duration| Sampling {
            window_ns: window.as_nanos() as u64,
            since_ns: now_ns,
            before: PerDirection::default(),
        };
        if let (Some(search), Some(seeker)) = (&job.search, &seeker) {
            seeker.begin(|| Finder::new(search, depth_max, job.worker_count, timing, now_ns));
        }
        board.enter(match (&seeker, ramp_ns) {
            (_, 1..) => Phase::Ramp,
            (Some(_), _) => Phase::Searching,
            _ => Phase::Running,
        });
        Self {
            stats: WorkerStats::new(&job.recording),
            stopping: false,
            seeker,
            hold: None,
            trace: Vec::new(),
            job,
            board,
            logs,
            begun_ns: now_ns,
            measured_ns: now_ns,
            ramp_ends_ns: (ramp_ns > 0).then_some(now_ns + ramp_ns),
            ends_ns,
            usage_before: Usage::of_this_thread(),
            bandwidth: sampling(job.recording.bandwidth_window),
            iops: sampling(job.recording.iops_window),
            recent: Bins::default(),
            traced_ns: now_ns,
            traced_ios: 0,
            trace_step_ns: trace_step.as_nanos() as u64,
            expected_bytes,
            before: PerDirection::default(),
        }
    }

    /// Accounts for an I/O that completed.
    #[inline]
    pub(super) fn record(&mut self, step: &Step, start_ns: u64, issue_ns: u64, now_ns: u64) {
        let recording = &self.job.recording;
        let counted = &mut self.stats.directions[step.direction];
        counted.bytes += u64::from(step.length);
        counted.ios += 1;
        let (clat_ns, lat_ns) = (now_ns - issue_ns, now_ns - start_ns);
        if recording.clat {
            counted.clat.add(clat_ns);
            self.stats.latency.add(clat_ns);
        }
        if recording.lat {
            counted.lat.add(lat_ns);
        }
        self.recent.add(lat_ns);
        if let Some(logs) = &mut self.logs {
            logs.io(
                step.direction,
                now_ns,
                [issue_ns - start_ns, clat_ns, lat_ns],
                step.length,
                step.offset,
            );
        }
    }

    /// When to look again.
    pub(super) fn next_look_ns(&self, now_ns: u64) -> u64 {
        let regular = now_ns + LOOK_AROUND_NS;
        let sooner = [self.ramp_ends_ns, self.ends_ns].into_iter().flatten();
        sooner.filter(|at| *at > now_ns).fold(regular, u64::min)
    }

    /// Does what is due by now.
    pub(super) fn look(&mut self, now_ns: u64, engine: &Engine, in_flight: u32) {
        self.stopping |= self.board.must_stop();
        if self.ramp_ends_ns.take_if(|ends| *ends <= now_ns).is_some() {
            self.begin_to_measure(now_ns);
            self.ends_ns = self.job.timing.runtime.map(|time| now_ns + time.as_nanos() as u64);
            let searches = self.seeker.is_some();
            self.board.enter(if searches { Phase::Searching } else { Phase::Running });
        }
        self.stopping |= self.ends_ns.is_some_and(|ends| ends <= now_ns);
        let PerDirection { read, write } = self.totals();
        self.board.count(read.0 + write.0, read.1 + write.1);
        self.sample(now_ns);
        if let Some(logs) = &mut self.logs {
            logs.look(now_ns, &self.stats);
        }
        if now_ns >= self.traced_ns + self.trace_step_ns {
            self.add_point(now_ns, engine, in_flight);
        }
        if self.board.report_is_wanted() {
            let mut stats = self.stats.clone();
            self.complete(&mut stats, now_ns);
            self.board.leave_report(stats);
        }
    }

    /// Forgets what was counted so far.
    fn begin_to_measure(&mut self, now_ns: u64) {
        let fresh = WorkerStats::new(&self.job.recording);
        let old = std::mem::replace(&mut self.stats, fresh);
        for direction in Direction::ALL {
            let (bytes, ios) = &mut self.before[direction];
            *bytes += old.directions[direction].bytes;
            *ios += old.directions[direction].ios;
        }
        self.measured_ns = now_ns;
        self.usage_before = Usage::of_this_thread();
        for sampling in [&mut self.bandwidth, &mut self.iops] {
            (sampling.since_ns, sampling.before) = (now_ns, PerDirection::default());
        }
        (self.traced_ios, self.traced_ns) = (0, now_ns);
        if let Some(logs) = &mut self.logs {
            logs.begin(now_ns);
        }
    }

    fn sample(&mut self, now_ns: u64) {
        if !self.job.recording.bandwidth || self.ramp_ends_ns.is_some() {
            return;
        }
        for direction in Direction::ALL {
            if !self.job.pattern.does[direction] {
                continue;
            }
            let counted = &mut self.stats.directions[direction];
            if let Some(bytes_per_s) = self.bandwidth.rate(now_ns, direction, counted.bytes) {
                counted.bandwidth.add(bytes_per_s / 1024);
            }
            if let Some(ios_per_s) = self.iops.rate(now_ns, direction, counted.ios) {
                counted.iops.add(ios_per_s);
            }
        }
        self.bandwidth.next_window(now_ns);
        self.iops.next_window(now_ns);
    }

    fn add_point(&mut self, now_ns: u64, engine: &Engine, in_flight: u32) {
        let of_engine = || {
            let ring = engine.ring_stats(0);
            ring.map_or((0, 0), |ring| (ring.in_flight_limit() as u32, ring.aimd_phase()))
        };
        let fixed = self.seeker.as_ref().and_then(Seeker::fixed);
        let (limit, phase) = fixed.unwrap_or_else(of_engine);
        let elapsed_ns = now_ns - self.traced_ns;
        let ios = self.stats.ios();
        let p99_ns = self.recent.percentile(99.0);
        let point = TracePoint {
            elapsed: Duration::from_nanos(now_ns - self.begun_ns),
            limit,
            in_flight,
            p99: Duration::from_nanos(p99_ns),
            ios_per_s: (ios - self.traced_ios) as f64 * 1e9 / elapsed_ns as f64,
            phase: phase_name(phase),
        };
        self.trace.push(point);
        let verdict = match &mut self.seeker {
            Some(seeker) if self.ramp_ends_ns.is_none() => {
                seeker.look(now_ns, elapsed_ns, phase, &point, &self.recent, engine)
            }
            _ => Verdict::GoOn,
        };
        self.recent = Bins::default();
        (self.traced_ns, self.traced_ios) = (now_ns, ios);
        self.show(&point, phase, in_flight, now_ns);
        match verdict {
            Verdict::GoOn => {}
            Verdict::Hold(depth) => self.hold = Some(depth),
            Verdict::Answered(depth) => {
                self.hold = depth;
                self.begin_to_measure(now_ns);
                self.board.enter(Phase::Running);
            }
            Verdict::Over => self.stopping = true,
        }
    }

    fn show(&self, point: &TracePoint, engine_phase: i32, in_flight: u32, now_ns: u64) {
        let totals = self.totals();
        let bytes = totals.read.0 + totals.write.0;
        let by_bytes = match self.expected_bytes {
            0 => 0.0,
            expected => bytes as f64 / expected as f64,
        };
        let by_time = self.ends_ns.map_or(0.0, |ends| {
            (now_ns - self.begun_ns) as f64 / (ends - self.begun_ns).max(1) as f64
        });
        self.board.show(&Shown {
            bytes: PerDirection::from_fn(|direction| totals[direction].0),
            ios: PerDirection::from_fn(|direction| totals[direction].1),
            limit: point.limit,
            in_flight,
            p99_ns: point.p99.as_nanos() as u64,
            engine_phase,
            done: by_bytes.max(by_time).clamp(0.0, 1.0),
        });
    }

    /// Bytes and I/Os since the worker began.
    pub(super) fn totals(&self) -> PerDirection<(u64, u64)> {
        PerDirection::from_fn(|direction| {
            let counted = &self.stats.directions[direction];
            let (bytes, ios) = self.before[direction];
            (bytes + counted.bytes, ios + counted.ios)
        })
    }

    /// The time since `since_ns` or the beginning of measuring was spent on these directions.
    pub(super) fn spent(&mut self, since_ns: u64, now_ns: u64, does: PerDirection<bool>) {
        let spent_ms = (now_ns - since_ns.max(self.measured_ns)) / 1_000_000;
        for direction in Direction::ALL {
            if does[direction] {
                self.stats.directions[direction].runtime_ms += spent_ms.max(1);
            }
        }
    }

    fn complete(&self, stats: &mut WorkerStats, now_ns: u64) {
        stats.runtime_ms = ((now_ns - self.measured_ns) / 1_000_000).max(1);
        stats.usage = Usage::of_this_thread().since(&self.usage_before);
        for direction in Direction::ALL {
            let counted = &mut stats.directions[direction];
            if counted.ios > 0 && counted.runtime_ms == 0 {
                counted.runtime_ms = stats.runtime_ms;
            }
        }
    }

    /// What is left when the worker is done.
    pub(super) fn finish(
        mut self,
        now_ns: u64,
    ) -> (WorkerStats, Vec<TracePoint>, Option<Answer>, Option<Recorder>) {
        let mut stats = std::mem::take(&mut self.stats);
        self.complete(&mut stats, now_ns);
        (stats, self.trace, self.seeker.and_then(|seeker| seeker.answer()), self.logs)
    }
}

impl Sampling {
    /// What a count's growth comes to per second, if the window is over.
    fn rate(&mut self, now_ns: u64, direction: Direction, count: u64) -> Option<u64> {
        let elapsed_ns = now_ns - self.since_ns;
        if elapsed_ns < self.window_ns {
            return None;
        }
        let growth = count - std::mem::replace(&mut self.before[direction], count);
        Some((u128::from(growth) * 1_000_000_000 / u128::from(elapsed_ns.max(1))) as u64)
    }

    fn next_window(&mut self, now_ns: u64) {
        if now_ns - self.since_ns >= self.window_ns {
            self.since_ns = now_ns;
        }
    }
}
