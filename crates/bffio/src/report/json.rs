//! fio's JSON. Field names, their order and their types are fio's; `AuraIO` is ours.

use std::io::{self, Write};
use std::time::UNIX_EPOCH;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::aura::{AuraSection, SweepSection};
use super::entry::{self, Entry, GroupRates, percent_of_group};
use super::steady::SteadySection;
use super::{VERSION, layout, units};
use crate::job::{Given, UnifiedReporting};
use crate::run::Outcome;
use crate::stats::DirectionStats;
use crate::stats::disk::DiskUse;
use crate::stats::latency::Latency;
use crate::stats::spread::{
    BATCH_LEVELS, DEPTH_LEVELS, LATENCY_LEVELS, LATENCY_LEVELS_MS, depth_shares,
};

/// Writes a report; `plus` with the bins of latencies.
pub(super) fn write(
    outcome: &Outcome,
    entries: &[Entry<'_>],
    plus: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    let since_epoch = outcome.ended.duration_since(UNIX_EPOCH).unwrap_or_default();
    let root = Root {
        version: VERSION,
        timestamp: since_epoch.as_secs(),
        timestamp_ms: since_epoch.as_millis() as u64,
        time: units::date(outcome.ended),
        global_options: Options::of(&outcome.plan.global_given),
        jobs: entries.iter().map(|entry| JobReport::new(outcome, entries, entry, plus)).collect(),
        disk_util: outcome.disks.iter().map(DiskReport::new).collect(),
        aura: SweepSection::of(outcome),
    };
    layout::write(&root, out)
}

#[derive(Serialize)]
struct Root {
    #[serde(rename = "fio version")]
    version: &'static str,
    timestamp: u64,
    timestamp_ms: u64,
    time: String,
    #[serde(rename = "global options", skip_serializing_if = "Option::is_none")]
    global_options: Option<Options>,
    jobs: Vec<JobReport>,
    disk_util: Vec<DiskReport>,
    #[serde(rename = "AuraIO", skip_serializing_if = "Option::is_none")]
    aura: Option<SweepSection>,
}

#[derive(Serialize)]
struct JobReport {
    jobname: String,
    groupid: u32,
    error: i32,
    eta: u64,
    elapsed: u64,
    #[serde(rename = "job options")]
    job_options: Options,
    #[serde(flatten)]
    directions: Map<DirectionReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trim: Option<DirectionReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sync: Option<SyncReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mixed: Option<DirectionReport>,
    job_runtime: u64,
    usr_cpu: f64,
    sys_cpu: f64,
    ctx: u64,
    majf: u64,
    minf: u64,
    iodepth_level: Map<f64>,
    iodepth_submit: Map<f64>,
    iodepth_complete: Map<f64>,
    latency_ns: Map<f64>,
    latency_us: Map<f64>,
    latency_ms: Map<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_err: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_error: Option<i32>,
    latency_depth: u32,
    latency_target: u64,
    latency_percentile: f64,
    latency_window: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    desc: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    steadystate: Option<SteadySection>,
    #[serde(rename = "AuraIO")]
    aura: AuraSection,
}

#[derive(Serialize)]
struct DirectionReport {
    io_bytes: u64,
    io_kbytes: u64,
    bw_bytes: u64,
    bw: u64,
    iops: f64,
    runtime: u64,
    total_ios: u64,
    short_ios: u64,
    drop_ios: u64,
    slat_ns: LatencyReport,
    clat_ns: LatencyReport,
    lat_ns: LatencyReport,
    bw_min: u64,
    bw_max: u64,
    bw_agg: f64,
    bw_mean: f64,
    bw_dev: f64,
    bw_samples: u64,
    iops_min: u64,
    iops_max: u64,
    iops_mean: f64,
    iops_stddev: f64,
    iops_samples: u64,
}

#[derive(Serialize)]
struct LatencyReport {
    min: u64,
    max: u64,
    mean: f64,
    stddev: f64,
    #[serde(rename = "N")]
    count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    percentile: Option<Map<u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bins: Option<Map<u64>>,
}

#[derive(Serialize)]
struct SyncReport {
    total_ios: u64,
    lat_ns: LatencyReport,
}

#[derive(Serialize)]
struct DiskReport {
    name: String,
    read_ios: u64,
    write_ios: u64,
    read_merges: u64,
    write_merges: u64,
    read_ticks: u64,
    write_ticks: u64,
    in_queue: u64,
    util: f64,
}

/// An object whose keys are data.
struct Map<V>(Vec<(String, V)>);

impl<V: Serialize> Serialize for Map<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        self.0.iter().try_for_each(|(key, value)| map.serialize_entry(key, value))?;
        map.end()
    }
}

impl<V: Copy> Map<V> {
    fn of(keys: &[&str], values: &[V]) -> Self {
        Self(keys.iter().zip(values).map(|(key, value)| ((*key).to_owned(), *value)).collect())
    }
}

/// Options as they were given. fio leaves out those without a value.
struct Options(Vec<(&'static str, String)>);

impl Serialize for Options {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl Options {
    fn of(given: &[Given]) -> Option<Self> {
        let valued = given.iter().filter(|option| !option.value.is_empty());
        let options: Vec<_> = valued.map(|option| (option.name, option.value.clone())).collect();
        (!options.is_empty()).then_some(Self(options))
    }
}

impl JobReport {
    fn new(outcome: &Outcome, entries: &[Entry<'_>], entry: &Entry<'_>, plus: bool) -> Self {
        let (job, stats) = (entry.job, &entry.stats);
        let report = |name: &str, counted: &DirectionStats| {
            let group = entry::group_rates(entries, entry.group, name);
            DirectionReport::new(entry, counted, group, plus)
        };
        let mut directions: Vec<_> = entry
            .directions()
            .iter()
            .map(|shown| (shown.name.to_owned(), report(shown.name, &shown.stats)))
            .collect();
        let is_unified = job.unified_reporting == UnifiedReporting::Mixed;
        let is_both = job.unified_reporting == UnifiedReporting::Both;
        // fio puts the sum of all after trim and sync.
        let mixed = if is_both { directions.pop().map(|(_, mixed)| mixed) } else { None };
        let (user_percent, system_percent) = entry.cpu_percents();
        let (ns, us, ms) = stats.latency.shares(stats.ios());
        let search = job.search.as_ref();
        let list = &job.recording.percentiles.list;
        Self {
            jobname: job.name.clone(),
            groupid: entry.group,
            error: entry.errno(),
            eta: 0,
            elapsed: outcome.elapsed.as_secs() + 1,
            job_options: Options::of(&entry.last_job.given).unwrap_or(Options(Vec::new())),
            directions: Map(directions),
            trim: (!is_unified).then(|| report("trim", &DirectionStats::default())),
            sync: (!is_unified).then(|| SyncReport {
                total_ios: stats.sync.moments.count(),
                lat_ns: LatencyReport::new(&stats.sync, list, plus),
            }),
            mixed,
            job_runtime: stats.runtime_ms,
            usr_cpu: user_percent,
            sys_cpu: system_percent,
            ctx: stats.usage.context_switches,
            majf: stats.usage.major_faults,
            minf: stats.usage.minor_faults,
            iodepth_level: Map::of(&DEPTH_LEVELS, &depth_shares(&stats.depth.level)),
            iodepth_submit: Map::of(&BATCH_LEVELS, &depth_shares(&stats.depth.submit)),
            iodepth_complete: Map::of(&BATCH_LEVELS, &depth_shares(&stats.depth.complete)),
            latency_ns: Map::of(&LATENCY_LEVELS, &ns),
            latency_us: Map::of(&LATENCY_LEVELS, &us),
            latency_ms: Map::of(&LATENCY_LEVELS_MS, &ms),
            total_err: entry.counts_errors().then_some(stats.error_count),
            first_error: entry.counts_errors().then_some(stats.first_error),
            latency_depth: entry.depth(),
            latency_target: search.map_or(0, |search| search.latency.as_nanos() as u64),
            latency_percentile: search.map_or(100.0, |search| search.percentile),
            latency_window: search
                .and_then(|search| search.window)
                .map_or(0, |window| window.as_micros() as u64),
            desc: job.description.clone().filter(|description| !description.is_empty()),
            steadystate: SteadySection::of(entry),
            aura: AuraSection::new(entry),
        }
    }
}

impl DirectionReport {
    fn new(
        entry: &Entry<'_>,
        counted: &DirectionStats,
        group: Option<GroupRates>,
        plus: bool,
    ) -> Self {
        let list = &entry.job.recording.percentiles.list;
        let latency = |latency| LatencyReport::new(latency, list, plus);
        let (bandwidth, iops) = (&counted.bandwidth, &counted.iops);
        Self {
            io_bytes: counted.bytes,
            io_kbytes: counted.bytes >> 10,
            bw_bytes: counted.bytes_per_s(),
            bw: counted.bytes_per_s() >> 10,
            iops: counted.ios_per_s(),
            runtime: counted.runtime_ms,
            total_ios: counted.ios,
            short_ios: counted.short_ios,
            drop_ios: 0,
            slat_ns: latency(&counted.slat),
            clat_ns: latency(&counted.clat),
            lat_ns: latency(&counted.lat),
            bw_min: bandwidth.min(),
            bw_max: bandwidth.max(),
            bw_agg: percent_of_group(bandwidth.mean(), group),
            bw_mean: bandwidth.mean(),
            bw_dev: bandwidth.deviation(),
            bw_samples: bandwidth.count(),
            iops_min: iops.min(),
            iops_max: iops.max(),
            iops_mean: iops.mean(),
            iops_stddev: iops.deviation(),
            iops_samples: iops.count(),
        }
    }
}

impl LatencyReport {
    fn new(latency: &Latency, list: &[f64], plus: bool) -> Self {
        let moments = &latency.moments;
        let bins = latency.bins.as_ref().filter(|bins| bins.total() > 0);
        let percentile = bins.map(|bins| {
            let values = bins.percentiles(list).into_iter();
            Map(list.iter().map(|percent| format!("{percent:.6}")).zip(values).collect())
        });
        let counts = bins.filter(|_| plus).map(|bins| {
            Map(bins.occupied().map(|(value, count)| (value.to_string(), count)).collect())
        });
        Self {
            min: moments.min(),
            max: moments.max(),
            mean: moments.mean(),
            stddev: moments.deviation(),
            count: moments.count(),
            percentile,
            bins: counts,
        }
    }
}

impl DiskReport {
    fn new(disk: &DiskUse) -> Self {
        Self {
            name: disk.name.clone(),
            read_ios: disk.ios[0],
            write_ios: disk.ios[1],
            read_merges: disk.merges[0],
            write_merges: disk.merges[1],
            read_ticks: disk.ticks_ms[0],
            write_ticks: disk.ticks_ms[1],
            in_queue: disk.in_queue_ms,
            util: disk.util_percent,
        }
    }
}
