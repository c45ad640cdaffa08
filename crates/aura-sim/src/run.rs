//! Plays a load and a policy against a device.

use crate::device::{Device, Operation};
use crate::load::Load;
use crate::policy::{Policy, Sampling};
use crate::rng::Rng;
use crate::trace::Trace;
use aura_aimd::{Latency, Silences, Window};

/// What goes wrong with the observer rather than the device. The default is nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// From this time on nobody polls for [`pause_ns`](Self::pause_ns).
    pub pause_at_ns: u64,
    /// How long nobody polls, in nanoseconds; 0 for no pause.
    pub pause_ns: u64,
    /// At this time the clock that windows are stamped with jumps by [`step_ns`](Self::step_ns).
    pub step_at_ns: u64,
    /// How far the clock jumps, in nanoseconds; 0 for no jump.
    pub step_ns: i64,
}

/// Length, seed and particulars of one run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Setup {
    /// Length of the run in nanoseconds of virtual time.
    pub duration_ns: u64,
    /// Equal seeds give equal runs.
    pub seed: u64,
    /// Latencies above this count as late in the [`Trace`], whatever the policy aims at.
    pub late_ns: u64,
    /// Latencies of operations that finish from this time on are kept; 0 keeps none.
    pub keep_from_ns: u64,
    /// What goes wrong with the observer.
    pub faults: Faults,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    submitted_ns: u64,
    epoch: u32,
    bytes: u32,
}

#[derive(Debug, Default)]
struct Open {
    begin_ns: u64,
    operations: u64,
    bytes: u64,
    in_flight_area: f64,
    in_flight_max: u32,
    gated: u64,
    over_target: u64,
    gap_ns: u64,
    completed_ns: u64,
    silences: Silences,
    latencies_ns: Vec<u64>,
}

/// A load and the policy that limits it.
#[derive(Debug)]
pub struct Party<'a> {
    /// Who submits.
    pub load: &'a mut Load,
    /// Who decides how much at once.
    pub policy: &'a mut dyn Policy,
}

/// Runs the simulation and returns what happened.
///
/// # Panics
///
/// If a device's next event lies in the past, or a policy's
/// [`limit_changed`](aura_aimd::Decision::limit_changed) does not say whether its limit changed.
pub fn run(
    device: &mut dyn Device,
    load: &mut Load,
    policy: &mut dyn Policy,
    setup: &Setup,
) -> Trace {
    run_together(device, vec![Party { load, policy }], setup).swap_remove(0)
}

/// Runs several loads, each with a policy of its own, against one device they share, and returns what
/// happened to each.
///
/// # Panics
///
/// As [`run`].
pub fn run_together(device: &mut dyn Device, parties: Vec<Party<'_>>, setup: &Setup) -> Vec<Trace> {
    let mut rng = Rng::new(setup.seed);
    let count = parties.len() as u32;
    let mut engines: Vec<Engine<'_>> = Vec::new();
    for (index, party) in parties.into_iter().enumerate() {
        engines.push(Engine::new(party, setup, Ids { index: index as u32, count }, &mut rng));
    }
    let mut done = Vec::new();
    let mut pause = Some(setup.faults).filter(|faults| faults.pause_ns > 0);
    engines.iter_mut().for_each(|engine| engine.fill(0, device, &mut rng));
    loop {
        let arrival_ns = engines.iter().map(|engine| engine.arrival.0).min();
        let mut now_ns = device.next_event_ns().min(arrival_ns.unwrap_or(u64::MAX));
        if now_ns >= setup.duration_ns {
            break;
        }
        if let Some(faults) = pause.take_if(|faults| now_ns >= faults.pause_at_ns) {
            // Nobody looks: the device works on, and everything is seen at the end.
            let until_ns = faults.pause_at_ns + faults.pause_ns;
            while device.next_event_ns() <= until_ns {
                device.advance(device.next_event_ns(), &mut rng, &mut done);
            }
            engines.iter_mut().for_each(|engine| engine.window.gap_ns += faults.pause_ns);
            now_ns = until_ns;
        }
        engines.iter_mut().for_each(|engine| engine.arrive(now_ns, &mut rng));
        device.advance(now_ns, &mut rng, &mut done);
        for id in done.drain(..) {
            engines[(id % count) as usize].complete(now_ns, id / count);
        }
        for engine in &mut engines {
            engine.fill(now_ns, device, &mut rng);
            engine.close_window_if_due(now_ns);
        }
    }
    engines.into_iter().map(|engine| engine.finish()).collect()
}

/// Which of the ids that a device sees belong to one of several engines.
#[derive(Clone, Copy)]
struct Ids {
    index: u32,
    count: u32,
}

struct Engine<'a> {
    policy: &'a mut dyn Policy,
    load: &'a mut Load,
    ids: Ids,
    setup: Setup,
    trace: Trace,
    slots: Vec<Slot>,
    free: Vec<u32>,
    in_flight: u32,
    limit: u32,
    epoch: u32,
    /// When the next operations of an open load come, and how many.
    arrival: (u64, u32),
    waiting: u64,
    changed_ns: u64,
    completed: u64,
    sampling: Sampling,
    window: Open,
}

impl<'a> Engine<'a> {
    fn new(party: Party<'a>, setup: &Setup, ids: Ids, rng: &mut Rng) -> Self {
        let Party { load, policy } = party;
        let limit = policy.decision().limit;
        let sampling = policy.sampling();
        let arrival = load.arrivals.as_mut().map_or((u64::MAX, 0), |next| next(0, rng));
        Self {
            policy,
            load,
            ids,
            setup: *setup,
            trace: Trace::new(setup),
            slots: Vec::new(),
            free: Vec::new(),
            in_flight: 0,
            limit,
            epoch: 0,
            arrival,
            waiting: 0,
            changed_ns: 0,
            completed: 0,
            sampling,
            window: Open::default(),
        }
    }

    fn arrive(&mut self, now_ns: u64, rng: &mut Rng) {
        if self.arrival.0 <= now_ns {
            self.waiting += u64::from(self.arrival.1);
            if let Some(next) = &mut self.load.arrivals {
                self.arrival = next(self.arrival.0, rng);
            }
        }
    }

    fn finish(mut self) -> Trace {
        self.account(self.setup.duration_ns);
        self.trace.finish(self.setup.duration_ns);
        self.trace
    }

    /// Adds the time since the last change of in-flight to the areas under it.
    fn account(&mut self, now_ns: u64) {
        assert!(now_ns >= self.changed_ns, "time runs backwards");
        let area = f64::from(self.in_flight) * (now_ns - self.changed_ns) as f64;
        self.window.in_flight_area += area;
        self.trace.in_flight_area += area;
        self.changed_ns = now_ns;
    }

    fn complete(&mut self, now_ns: u64, slot: u32) {
        self.account(now_ns);
        self.note_silence(now_ns);
        self.window.completed_ns = now_ns;
        self.in_flight -= 1;
        self.free.push(slot);
        let slot = self.slots[slot as usize];
        let latency_ns = now_ns - slot.submitted_ns;
        self.window.operations += 1;
        self.window.bytes += u64::from(slot.bytes);
        self.completed += 1;
        let chosen = self.completed.is_multiple_of(u64::from(self.sampling.one_in.max(1)));
        if chosen && (self.sampling.all_epochs || slot.epoch == self.epoch) {
            self.window.latencies_ns.push(latency_ns);
            let target_ns = self.policy.target_p99_ns().unwrap_or(u64::MAX);
            self.window.over_target += u64::from(latency_ns > target_ns);
        }
        self.trace.complete(now_ns, latency_ns, slot.bytes);
    }

    /// Takes down how long nothing has completed.
    fn note_silence(&mut self, now_ns: u64) {
        let since_ns = self.window.completed_ns.max(self.window.begin_ns);
        self.window.silences.note(now_ns - since_ns);
    }

    fn fill(&mut self, now_ns: u64, device: &mut dyn Device, rng: &mut Rng) {
        loop {
            let wanted = if self.load.arrivals.is_some() {
                self.waiting > 0
            } else {
                self.in_flight < self.load.clients
            };
            if !wanted {
                return;
            }
            if self.in_flight >= self.limit {
                self.window.gated += 1;
                return;
            }
            self.waiting = self.waiting.saturating_sub(1);
            self.submit(now_ns, device, rng);
        }
    }

    fn submit(&mut self, now_ns: u64, device: &mut dyn Device, rng: &mut Rng) {
        self.account(now_ns);
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.slots.len() as u32 - 1
        });
        let bytes = (self.load.bytes)(now_ns);
        self.slots[slot as usize] = Slot { submitted_ns: now_ns, epoch: self.epoch, bytes };
        self.in_flight += 1;
        self.window.in_flight_max = self.window.in_flight_max.max(self.in_flight);
        let id = slot * self.ids.count + self.ids.index;
        device.submit(now_ns, Operation { id, bytes }, rng);
    }

    fn close_window_if_due(&mut self, now_ns: u64) {
        let samples = self.window.latencies_ns.len() as u64;
        let real_ns = now_ns - self.window.begin_ns - self.window.gap_ns;
        let faults = self.setup.faults;
        let mut duration_ns = real_ns as i64;
        let mut stamp_ns = now_ns as i64;
        if faults.step_ns != 0 && now_ns >= faults.step_at_ns {
            stamp_ns += faults.step_ns;
            if self.window.begin_ns < faults.step_at_ns {
                duration_ns = (duration_ns + faults.step_ns).max(0);
            }
        }
        if !self.policy.goal().is_met(samples, duration_ns as u64) {
            return;
        }
        self.account(now_ns);
        if self.in_flight > 0 {
            self.note_silence(now_ns);
        }
        let window = Window {
            now_ns: stamp_ns.max(0) as u64,
            duration_ns: duration_ns as u64,
            operations: self.window.operations,
            bytes: self.window.bytes,
            in_flight_avg: self.window.in_flight_area
                / (now_ns - self.window.begin_ns).max(1) as f64,
            in_flight_max: self.window.in_flight_max,
            gated: self.window.gated,
            latency: summarise(&mut self.window.latencies_ns, self.window.over_target),
            silences: self.window.silences,
            gap_ns: self.window.gap_ns,
        };
        let decision = self.policy.on_window(&window);
        self.epoch += u32::from(decision.limit_changed);
        assert_eq!(decision.limit_changed, decision.limit != self.limit, "epochs follow limits");
        self.limit = decision.limit;
        self.trace.decide(now_ns, &window, &decision);
        self.window.latencies_ns.clear();
        let latencies_ns = std::mem::take(&mut self.window.latencies_ns);
        self.window = Open {
            begin_ns: now_ns,
            in_flight_max: self.in_flight,
            latencies_ns,
            ..Open::default()
        };
    }
}

fn summarise(latencies_ns: &mut [u64], over_target: u64) -> Latency {
    let n = latencies_ns.len();
    if n == 0 {
        return Latency::default();
    }
    let p99_ns = *latencies_ns.select_nth_unstable((n * 99).div_ceil(100) - 1).1;
    let p50_ns = *latencies_ns.select_nth_unstable(n.div_ceil(2) - 1).1;
    Latency {
        samples: n as u64,
        over_target,
        p50_ns,
        p99_ns,
        mean_ns: latencies_ns.iter().sum::<u64>() / n as u64,
        max_ns: latencies_ns.iter().copied().max().unwrap_or(0),
    }
}
