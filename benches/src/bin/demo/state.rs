//! What a load keeps between submission and completion, and what it has counted.

use std::time::{Duration, Instant};

use aura::Buffer;
use aura_bench::content::{RandomBlocks, Verifier};
use aura_bench::{BLOCK_BYTES, Error};
use hdrhistogram::Histogram;

use crate::live::Now;

pub(crate) struct State {
    pub(crate) buffers: Vec<Buffer>,
    free: Vec<usize>,
    pub(crate) random: RandomBlocks,
    pub(crate) verifier: Verifier,
    pub(crate) in_flight: usize,
    pub(crate) last_completion: Instant,
    /// No further submissions in this turn.
    pub(crate) is_ending: bool,
    /// Since when this turn is being measured.
    measuring_since: Option<Instant>,
    reads_before: u64,
    pub(crate) measured: Measured,
    /// Since the live line was last drawn.
    recent: Histogram<u64>,
    /// The first thing that went wrong in a callback.
    pub(crate) error: Option<Error>,
}

/// What was counted while measuring.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    pub(crate) reads: u64,
    pub(crate) seconds: f64,
    /// Reads per second of each turn.
    pub(crate) iops_by_turn: Vec<f64>,
    /// In nanoseconds.
    pub(crate) latencies: Histogram<u64>,
}

impl State {
    pub(crate) fn new(random: RandomBlocks, verifier: Verifier) -> Self {
        let latencies = histogram();
        Self {
            buffers: Vec::new(),
            free: Vec::new(),
            random,
            verifier,
            in_flight: 0,
            last_completion: Instant::now(),
            is_ending: false,
            measuring_since: None,
            reads_before: 0,
            recent: latencies.clone(),
            measured: Measured { reads: 0, seconds: 0.0, iops_by_turn: Vec::new(), latencies },
            error: None,
        }
    }

    pub(crate) fn begin(&mut self) {
        self.is_ending = false;
        self.last_completion = Instant::now();
        self.recent.reset();
    }

    /// From now on reads count.
    pub(crate) fn measure(&mut self, now: Instant) {
        if self.measuring_since.is_none() {
            self.measuring_since = Some(now);
            self.reads_before = self.measured.reads;
        }
    }

    /// The turn is over: no more reads, and those still in flight do not count.
    pub(crate) fn end(&mut self, now: Instant) {
        self.is_ending = true;
        if let Some(since) = self.measuring_since.take() {
            let seconds = (now - since).as_secs_f64();
            let reads = self.measured.reads - self.reads_before;
            self.measured.iops_by_turn.push(reads as f64 / seconds);
            self.measured.seconds += seconds;
        }
    }

    /// Takes a buffer for a read. Buffers are made as they are needed: the engine decides how many.
    pub(crate) fn take_buffer(
        &mut self,
        allocate: impl FnOnce() -> aura::Result<Buffer>,
    ) -> aura::Result<usize> {
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                self.buffers.push(allocate()?);
                self.buffers.len() - 1
            }
        };
        self.in_flight += 1;
        Ok(index)
    }

    pub(crate) fn give_back(&mut self, index: usize) {
        self.free.push(index);
        self.in_flight -= 1;
    }

    pub(crate) fn complete(
        &mut self,
        index: usize,
        offset: u64,
        latency: Duration,
        now: Instant,
        result: aura::Result<usize>,
    ) {
        self.give_back(index);
        self.last_completion = now;
        // Saturating: a latency above the histogram's range still counts as its highest value.
        let latency_ns = latency.as_nanos() as u64;
        self.recent.saturating_record(latency_ns);
        if self.measuring_since.is_some() {
            self.measured.reads += 1;
            self.measured.latencies.saturating_record(latency_ns);
        }
        if let Err(error) = self.check(index, offset, result) {
            self.is_ending = true;
            self.error.get_or_insert(error);
        }
    }

    /// What the last moments looked like; the next ones start afresh.
    pub(crate) fn now(
        &mut self,
        interval: Duration,
        limit: Option<i32>,
        phase: &'static str,
    ) -> Now {
        let iops = self.recent.len() as f64 / interval.as_secs_f64();
        let now = Now {
            iops,
            bytes_per_second: iops * BLOCK_BYTES as f64,
            p50_ns: self.recent.value_at_quantile(0.50),
            p99_ns: self.recent.value_at_quantile(0.99),
            limit,
            in_flight: self.in_flight,
            phase,
            is_warm_up: self.measuring_since.is_none(),
        };
        self.recent.reset();
        now
    }

    fn check(
        &mut self,
        index: usize,
        offset: u64,
        result: aura::Result<usize>,
    ) -> Result<(), Error> {
        match result {
            Ok(BLOCK_BYTES) => {
                let block = self.buffers[index].as_slice().first_chunk();
                let block = block.ok_or("the pool's buffer is smaller than asked for")?;
                self.verifier.check(offset, block)
            }
            Ok(bytes) => Err(format!("the read at {offset} brought {bytes} bytes").into()),
            Err(error) => Err(format!("the read at {offset}: {error}").into()),
        }
    }
}

fn histogram() -> Histogram<u64> {
    // 1 µs to 60 s with three digits.
    Histogram::new_with_bounds(1_000, 60_000_000_000, 3).expect("the bounds are in order")
}
