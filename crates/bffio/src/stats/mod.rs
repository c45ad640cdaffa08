//! What is counted while I/O goes on: per worker, and added up for the reports.
//!
//! | module | what lives there |
//! | --- | --- |
//! | [`bins`] | fio's bins, percentiles |
//! | [`moments`], [`latency`] | extremes, mean, deviation; latencies of one kind |
//! | [`samples`] | bandwidth and IOPS, every half second |
//! | [`spread`] | I/Os by depth and by class of latency |
//! | [`usage`], [`disk`] | what workers cost the CPUs and did to the disks |

pub mod bins;
pub mod disk;
pub mod latency;
pub mod moments;
pub mod samples;
pub mod spread;
pub mod usage;

use crate::job::{Direction, PerDirection, Recording};
use latency::Latency;
use samples::Samples;
use spread::{DepthSpread, LatencySpread};
use usage::Usage;

/// What is known of one direction.
#[derive(Clone, Debug, Default)]
pub struct DirectionStats {
    /// Bytes transferred.
    pub bytes: u64,
    /// I/Os issued. Those that fail are among them.
    pub ios: u64,
    /// I/Os that transferred less than asked and were continued.
    pub short_ios: u64,
    /// How long the worker was at it, in milliseconds.
    pub runtime_ms: u64,
    /// From the creation of an I/O to its submission.
    pub slat: Latency,
    /// From its submission to its completion.
    pub clat: Latency,
    /// From its creation to its completion.
    pub lat: Latency,
    /// KiB per second, sampled.
    pub bandwidth: Samples,
    /// I/Os per second, sampled.
    pub iops: Samples,
}

/// What is known of a worker, or of several.
#[derive(Clone, Debug, Default)]
pub struct WorkerStats {
    /// By direction.
    pub directions: PerDirection<DirectionStats>,
    /// `fsync` and `fdatasync`.
    pub sync: Latency,
    /// I/Os by depth and batch.
    pub depth: DepthSpread,
    /// I/Os by class of completion latency.
    pub latency: LatencySpread,
    /// What it cost the CPUs.
    pub usage: Usage,
    /// How long it ran, in milliseconds; several workers' times are added.
    pub runtime_ms: u64,
    /// Errors that were counted instead of ending the job.
    pub error_count: u64,
    /// The first of them, as an `errno`.
    pub first_error: i32,
}

impl DirectionStats {
    /// Nothing counted yet, with the bins that are asked for.
    #[must_use]
    pub fn new(recording: &Recording) -> Self {
        let percentiles = &recording.percentiles;
        Self {
            slat: Latency::new(percentiles.slat && recording.slat),
            clat: Latency::new(percentiles.clat && recording.clat),
            lat: Latency::new(percentiles.lat && recording.lat),
            ..Self::default()
        }
    }

    /// Adds another worker's, or another direction's.
    pub fn merge(&mut self, other: &Self) {
        self.bytes += other.bytes;
        self.ios += other.ios;
        self.short_ios += other.short_ios;
        self.runtime_ms = self.runtime_ms.max(other.runtime_ms);
        self.slat.merge(&other.slat);
        self.clat.merge(&other.clat);
        self.lat.merge(&other.lat);
        self.bandwidth.join(&other.bandwidth);
        self.iops.join(&other.iops);
    }

    /// Bytes per second, over the whole run.
    #[must_use]
    pub fn bytes_per_s(&self) -> u64 {
        let bytes = u128::from(self.bytes) * 1000;
        bytes.checked_div(self.runtime_ms.into()).map_or(0, |rate| rate as u64)
    }

    /// I/Os per second, over the whole run.
    #[must_use]
    pub fn ios_per_s(&self) -> f64 {
        if self.runtime_ms == 0 { 0.0 } else { self.ios as f64 * 1000.0 / self.runtime_ms as f64 }
    }
}

impl WorkerStats {
    /// Nothing counted yet, with the bins that are asked for.
    #[must_use]
    pub fn new(recording: &Recording) -> Self {
        Self {
            directions: PerDirection::from_fn(|_| DirectionStats::new(recording)),
            // fio shows percentiles of these whatever is asked for.
            sync: Latency::new(true),
            ..Self::default()
        }
    }

    /// Adds another worker's.
    pub fn merge(&mut self, other: &Self) {
        for direction in Direction::ALL {
            self.directions[direction].merge(&other.directions[direction]);
        }
        self.sync.merge(&other.sync);
        self.depth.merge(&other.depth);
        self.latency.merge(&other.latency);
        self.usage.merge(&other.usage);
        self.runtime_ms += other.runtime_ms;
        self.error_count += other.error_count;
        if self.first_error == 0 {
            self.first_error = other.first_error;
        }
    }

    /// Reads and writes as one direction.
    #[must_use]
    pub fn mixed(&self) -> DirectionStats {
        let mut mixed = DirectionStats::default();
        for direction in Direction::ALL {
            mixed.merge(&self.directions[direction]);
        }
        mixed
    }

    /// I/Os in all directions.
    #[must_use]
    pub fn ios(&self) -> u64 {
        Direction::ALL.iter().map(|&direction| self.directions[direction].ios).sum()
    }

    /// Bytes in all directions.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        Direction::ALL.iter().map(|&direction| self.directions[direction].bytes).sum()
    }
}
