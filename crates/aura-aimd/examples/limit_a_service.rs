//! Limits the concurrency of a service with the controller: `cargo run --example limit_a_service`.
//!
//! The service has 24 workers behind one queue; two seconds in, 16 of them go away, and two seconds
//! later they come back. Clients would put a thousand requests in flight if they were let. The table
//! shows what the controller makes of it; the example checks itself and fails if that is wrong.
//!
//! What is worth copying is [`Limiter`]: it turns "a request starts" and "a request ends" into
//! windows. Virtual time stands in for a clock.

use aura_aimd::{Config, Controller, Decision, Latency, Window};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;

fn main() -> Result<(), aura_aimd::ConfigError> {
    let config = Config { max_limit: 1_000, ..Config::default() };
    let mut limiter = Limiter::new(config)?;
    let mut service = Service::default();
    let mut now_ns = 0;
    let mut finished_in_slice = 0u64;
    let mut next_line_ns = 0;
    let mut checks = Vec::new();

    println!(" time      limit   requests/s    p99     phase        reason");
    while now_ns < 6 * SECOND {
        service
            .set_workers(now_ns, if (2 * SECOND..4 * SECOND).contains(&now_ns) { 8 } else { 24 });
        // Clients send whatever they may; being refused is what "gated" counts.
        while let Some(ticket) = limiter.try_start(now_ns) {
            service.submit(now_ns, ticket);
        }
        let (finish_ns, ticket) = service.next_finished();
        now_ns = finish_ns;
        limiter.finish(now_ns, ticket);
        finished_in_slice += 1;

        if now_ns >= next_line_ns + 250 * MS {
            let slice_ns = now_ns - next_line_ns;
            let rate = finished_in_slice as f64 * 1e9 / slice_ns as f64;
            let Decision { limit, phase, reason, .. } = limiter.controller.decision();
            let p99_ms = limiter.last_p99_ns as f64 / MS as f64;
            let time_s = now_ns as f64 / SECOND as f64;
            println!(
                "{time_s:5.2} s  {limit:6}  {rate:11.0}  {p99_ms:6.2} ms  {phase:11}  {reason}"
            );
            checks.push((time_s, limit, rate));
            (finished_in_slice, next_line_ns) = (0, now_ns);
        }
    }

    // 24 workers of 2 ms do 12 000 requests a second, 8 of them do 4 000.
    for &(time_s, limit, rate) in &checks {
        let workers = match time_s {
            1.3..2.0 | 5.3.. => 24.0,
            3.3..4.0 => 8.0,
            _ => continue, // still searching
        };
        assert!(rate > 0.93 * workers * 500.0, "{time_s:.2} s: {rate:.0} requests/s");
        assert!(f64::from(limit) < 2.0 * workers, "{time_s:.2} s: limit {limit}");
    }
    println!(
        "ok: full throughput with a short queue, before, during and after the loss of workers"
    );
    Ok(())
}

/// When a request started, and under which limit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Ticket {
    started_ns: u64,
    epoch: u32,
}

/// Everything a program needs around the controller.
struct Limiter {
    controller: Controller,
    limit: u32,
    epoch: u32,
    in_flight: u32,
    last_p99_ns: u64,
    // The window in progress.
    begin_ns: u64,
    operations: u64,
    gated: u64,
    in_flight_max: u32,
    in_flight_area: f64,
    area_until_ns: u64,
    latencies_ns: Vec<u64>,
}

impl Limiter {
    fn new(config: Config) -> Result<Self, aura_aimd::ConfigError> {
        let controller = Controller::new(config)?;
        Ok(Self {
            limit: controller.decision().limit,
            controller,
            epoch: 0,
            in_flight: 0,
            last_p99_ns: 0,
            begin_ns: 0,
            operations: 0,
            gated: 0,
            in_flight_max: 0,
            in_flight_area: 0.0,
            area_until_ns: 0,
            latencies_ns: Vec::new(),
        })
    }

    /// A permit to start a request, or `None` if the limit is reached.
    fn try_start(&mut self, now_ns: u64) -> Option<Ticket> {
        if self.in_flight >= self.limit {
            self.gated += 1;
            return None;
        }
        self.advance(now_ns);
        self.in_flight += 1;
        self.in_flight_max = self.in_flight_max.max(self.in_flight);
        Some(Ticket { started_ns: now_ns, epoch: self.epoch })
    }

    /// Takes the permit back and, when a window is full, asks the controller.
    fn finish(&mut self, now_ns: u64, ticket: Ticket) {
        self.advance(now_ns);
        self.in_flight -= 1;
        self.operations += 1;
        // A request started under another limit says nothing about this one.
        if ticket.epoch == self.epoch {
            self.latencies_ns.push(now_ns - ticket.started_ns);
        }
        let samples = self.latencies_ns.len() as u64;
        if self.controller.goal().is_met(samples, now_ns - self.begin_ns) {
            self.close_window(now_ns);
        }
    }

    fn advance(&mut self, now_ns: u64) {
        self.in_flight_area += f64::from(self.in_flight) * (now_ns - self.area_until_ns) as f64;
        self.area_until_ns = now_ns;
    }

    fn close_window(&mut self, now_ns: u64) {
        let duration_ns = now_ns - self.begin_ns;
        let latency = self.summarise();
        self.last_p99_ns = latency.p99_ns;
        let decision = self.controller.on_window(&Window {
            now_ns,
            duration_ns,
            operations: self.operations,
            in_flight_avg: self.in_flight_area / duration_ns.max(1) as f64,
            in_flight_max: self.in_flight_max,
            gated: self.gated,
            latency,
            ..Window::default()
        });
        self.limit = decision.limit;
        self.epoch += u32::from(decision.limit_changed);
        self.begin_ns = now_ns;
        (self.operations, self.gated, self.in_flight_area) = (0, 0, 0.0);
        self.in_flight_max = self.in_flight;
        self.latencies_ns.clear();
    }

    /// A real program would keep a histogram instead of sorting.
    fn summarise(&mut self) -> Latency {
        let target_ns = self.controller.target_p99_ns().unwrap_or(u64::MAX);
        let sorted = &mut self.latencies_ns;
        sorted.sort_unstable();
        let Some(&max_ns) = sorted.last() else { return Latency::default() };
        let samples = sorted.len();
        Latency {
            samples: samples as u64,
            over_target: sorted.iter().filter(|&&ns| ns > target_ns).count() as u64,
            p50_ns: sorted[samples / 2],
            p99_ns: sorted[samples * 99 / 100],
            mean_ns: sorted.iter().sum::<u64>() / samples as u64,
            max_ns,
        }
    }
}

/// Workers behind one queue, each request taking 1 to 3 ms.
#[derive(Default)]
struct Service {
    workers: usize,
    waiting: VecDeque<Ticket>,
    busy: BinaryHeap<Reverse<(u64, Ticket)>>,
    random: u64,
}

impl Service {
    fn set_workers(&mut self, now_ns: u64, workers: usize) {
        self.workers = workers;
        self.start_waiting(now_ns);
    }

    fn submit(&mut self, now_ns: u64, ticket: Ticket) {
        self.waiting.push_back(ticket);
        self.start_waiting(now_ns);
    }

    fn start_waiting(&mut self, now_ns: u64) {
        while self.busy.len() < self.workers {
            let Some(ticket) = self.waiting.pop_front() else { break };
            self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let work_ns = MS + (self.random >> 33) % (2 * MS);
            self.busy.push(Reverse((now_ns + work_ns, ticket)));
        }
    }

    fn next_finished(&mut self) -> (u64, Ticket) {
        let Reverse((finish_ns, ticket)) = self.busy.pop().expect("clients never stop");
        self.start_waiting(finish_ns);
        (finish_ns, ticket)
    }
}
