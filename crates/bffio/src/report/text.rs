//! fio's report for people. Scripts grep in it, so its words and their places are fio's.

use std::io::{self, Write};

use super::entry::{self, Entry, Shown, percent_of_group};
use super::{VERSION, aura, steady, units};
use crate::job::Job;
use crate::run::Outcome;
use crate::stats::latency::Latency;
use crate::stats::moments::Moments;
use crate::stats::spread::{
    BATCH_LEVELS, DEPTH_CLASSES, DEPTH_LEVELS, LATENCY_LEVELS, LATENCY_LEVELS_MS, depth_shares,
};

/// Digits of latencies.
const LATENCY_DIGITS: usize = 6;
/// Classes of latency on a line.
const CLASSES_PER_LINE: usize = 5;
/// Width of the table of percentiles.
const WIDTH: usize = 73;

/// Writes the report.
pub(super) fn write(
    outcome: &Outcome,
    entries: &[Entry<'_>],
    out: &mut dyn Write,
) -> io::Result<()> {
    beginning(outcome, out)?;
    for entry in entries {
        job(outcome, entries, entry, out)?;
    }
    groups(entries, out)?;
    sweep(outcome, out)?;
    if !outcome.disks.is_empty() {
        writeln!(out, "\nDisk stats (read/write):")?;
    }
    for disk in &outcome.disks {
        let [read, write] =
            [0, 1].map(|index| (disk.ios[index], disk.merges[index], disk.ticks_ms[index]));
        writeln!(
            out,
            "  {}: ios={}/{}, merge={}/{}, ticks={}/{}, in_queue={}, util={:.2}%",
            disk.name,
            read.0,
            write.0,
            read.1,
            write.1,
            read.2,
            write.2,
            disk.in_queue_ms,
            disk.util_percent
        )?;
    }
    Ok(())
}

/// What is about to run.
fn beginning(outcome: &Outcome, out: &mut dyn Write) -> io::Result<()> {
    for (index, job) in outcome.plan.jobs.iter().enumerate() {
        let group = outcome.workers.iter().find(|worker| worker.job == index);
        let sizes = &job.pattern.block_sizes;
        let size =
            |min, max| format!("{}-{}", units::bytes(min, 4, true), units::bytes(max, 4, true));
        let read = size(sizes.read.min_bytes, sizes.read.max_bytes);
        writeln!(
            out,
            "{}: (g={}): rw={}, bs=(R) {read}, (W) {}, (T) {read}, ioengine={}, iodepth={}",
            job.name,
            group.map_or(0, |worker| worker.group),
            job.pattern.name(),
            size(sizes.write.min_bytes, sizes.write.max_bytes),
            job.engine,
            job.depth
        )?;
        if job.worker_count > 1 {
            writeln!(out, "...")?;
        }
    }
    let count = outcome.workers.len();
    let plural = if count == 1 { "" } else { "s" };
    writeln!(out, "{VERSION}\nStarting {count} thread{plural}\n")
}

fn job(
    outcome: &Outcome,
    entries: &[Entry<'_>],
    entry: &Entry<'_>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let job = entry.job;
    let failure = entry.failure.map(|failure| format!(" ({})", failure.what));
    writeln!(
        out,
        "{}: (groupid={}, jobs={}): err={:2}{}: pid={}: {}",
        job.name,
        entry.group,
        entry.members.len(),
        entry.errno(),
        failure.unwrap_or_default(),
        std::process::id(),
        units::date(outcome.ended)
    )?;
    if let Some(description) = job.description.iter().find(|text| !text.is_empty()) {
        writeln!(out, "  Description  : [{description}]")?;
    }
    for shown in entry.directions().iter().filter(|shown| shown.stats.ios > 0) {
        direction(entries, entry, shown, out)?;
    }
    let stats = &entry.stats;
    let (ns, us, ms) = stats.latency.shares(stats.ios());
    classes("nsec", &LATENCY_LEVELS, &ns, out)?;
    classes("usec", &LATENCY_LEVELS, &us, out)?;
    classes("msec", &LATENCY_LEVELS_MS, &ms, out)?;
    if stats.sync.moments.count() > 0 {
        writeln!(out, "  fsync/fdatasync/sync_file_range:")?;
        moments("    sync", &stats.sync.moments, out)?;
        percentiles("sync", &stats.sync, &job.recording.percentiles.list, out)?;
    }
    costs(entry, out)?;
    for line in [steady::line(entry, &Prefixes::of(job)), aura::line(entry)].into_iter().flatten() {
        out.write_all(line.as_bytes())?;
    }
    Ok(())
}

fn direction(
    entries: &[Entry<'_>],
    entry: &Entry<'_>,
    shown: &Shown<'_>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let (job, stats) = (entry.job, &shown.stats);
    let prefixes = Prefixes::of(job);
    let zones = if shown.name == "write" { "; 0 zone resets" } else { "" };
    writeln!(
        out,
        "  {}: IOPS={}, BW={} ({})({}/{}msec){zones}",
        shown.name,
        units::number(stats.ios_per_s() as u64, prefixes.digits, false),
        prefixes.rate(stats.bytes_per_s(), true),
        prefixes.rate(stats.bytes_per_s(), false),
        units::bytes(stats.bytes, prefixes.digits, true),
        stats.runtime_ms
    )?;
    let kinds = [("slat", &stats.slat), ("clat", &stats.clat), (" lat", &stats.lat)];
    for (name, latency) in kinds.iter().filter(|(_, latency)| latency.moments.count() > 0) {
        moments(&format!("    {name}"), &latency.moments, out)?;
    }
    for (name, latency) in kinds {
        percentiles(name.trim(), latency, &job.recording.percentiles.list, out)?;
    }
    let group = entry::group_rates(entries, entry.group, shown.name);
    let samples = &stats.bandwidth;
    if samples.count() > 0 {
        let is_large = samples.mean() > 1024.0 * 1024.0;
        let (unit, divisor) = if is_large { ("MiB", 1024) } else { ("KiB", 1) };
        let scale = f64::from(divisor);
        writeln!(
            out,
            "   bw ({unit:>5}/s): min={:5}, max={:5}, per={:3.2}%, avg={:5.2}, stdev={:5.2}, samples={}",
            samples.min() / u64::from(divisor as u32),
            samples.max() / u64::from(divisor as u32),
            percent_of_group(samples.mean(), group),
            samples.mean() / scale,
            samples.deviation() / scale,
            samples.count()
        )?;
    }
    let samples = &stats.iops;
    if samples.count() > 0 {
        writeln!(
            out,
            "   iops        : min={:5}, max={:5}, avg={:5.2}, stdev={:5.2}, samples={}",
            samples.min(),
            samples.max(),
            samples.mean(),
            samples.deviation(),
            samples.count()
        )?;
    }
    Ok(())
}

/// A line of minimum, maximum, mean and deviation, in the largest unit that shows them well.
fn moments(name: &str, moments: &Moments, out: &mut dyn Write) -> io::Result<()> {
    let (min, max, deviation) = (moments.min(), moments.max(), moments.deviation());
    let (unit, divisor) = if min > 2_000_000 && max > 99_999_999 && deviation > 1e6 {
        ("msec", 1_000_000)
    } else if min > 2_000 && max > 99_999 && deviation > 1e3 {
        ("usec", 1_000)
    } else {
        ("nsec", 1)
    };
    let scale = divisor as f64;
    writeln!(
        out,
        "{name} ({unit}): min={}, max={}, avg={:5.2}, stdev={:5.2}",
        units::number(min / divisor, LATENCY_DIGITS, false),
        units::number(max / divisor, LATENCY_DIGITS, false),
        moments.mean() / scale,
        deviation / scale
    )
}

fn percentiles(name: &str, latency: &Latency, list: &[f64], out: &mut dyn Write) -> io::Result<()> {
    let Some(bins) = latency.bins.as_ref().filter(|bins| bins.total() > 0) else { return Ok(()) };
    let values = bins.percentiles(list);
    let (Some(&min), Some(&max)) = (values.first(), values.last()) else { return Ok(()) };
    let (unit, divisor) = if min > 2_000_000 && max > 99_999_999 {
        ("msec", 1_000_000)
    } else if min > 2_000 && max > 99_999 {
        ("usec", 1_000)
    } else {
        ("nsec", 1)
    };
    let decimals = list.iter().copied().map(decimals).max().unwrap_or(2);
    let width = ((max / divisor).max(1).ilog10() as usize + 1).max(5);
    let per_line = (WIDTH / (decimals + 10 + width)).max(1);
    writeln!(out, "    {name} percentiles ({unit}):")?;
    for line in list.iter().zip(&values).collect::<Vec<_>>().chunks(per_line) {
        let shown = line.iter().map(|(percent, value)| {
            let value = value.div_ceil(divisor);
            format!(" {percent:w$.decimals$}th=[{value:width$}]", w = decimals + 3)
        });
        let is_last = line.last().is_some_and(|(percent, _)| Some(*percent) == list.last());
        let end = if is_last { "" } else { "," };
        writeln!(out, "     |{}{end}", shown.collect::<Vec<_>>().join(","))?;
    }
    Ok(())
}

/// How many decimals a percentage needs.
fn decimals(percent: f64) -> usize {
    let needs = |decimals: &usize| {
        let scaled = percent * 10_f64.powi(*decimals as i32);
        (scaled - scaled.round()).abs() < 1e-6
    };
    (0..6).find(needs).unwrap_or(6)
}

fn classes(unit: &str, levels: &[&str], shares: &[f64], out: &mut dyn Write) -> io::Result<()> {
    let present: Vec<String> = levels
        .iter()
        .zip(shares)
        .filter(|(_, share)| **share > 0.0)
        .map(|(level, share)| format!("{level}={share:3.2}%"))
        .collect();
    for line in present.chunks(CLASSES_PER_LINE) {
        writeln!(out, "  lat ({unit})   : {}", line.join(", "))?;
    }
    Ok(())
}

fn costs(entry: &Entry<'_>, out: &mut dyn Write) -> io::Result<()> {
    let stats = &entry.stats;
    let usage = &stats.usage;
    let (user_percent, system_percent) = entry.cpu_percents();
    writeln!(
        out,
        "  cpu          : usr={user_percent:3.2}%, sys={system_percent:3.2}%, ctx={}, majf={}, minf={}",
        usage.context_switches, usage.major_faults, usage.minor_faults
    )?;
    depths("IO depths   ", 2, &DEPTH_LEVELS, &stats.depth.level, out)?;
    depths("submit   ", 5, &BATCH_LEVELS, &stats.depth.submit, out)?;
    depths("complete ", 5, &BATCH_LEVELS, &stats.depth.complete, out)?;
    let (read, write) = (&stats.directions.read, &stats.directions.write);
    writeln!(
        out,
        "     issued rwts: total={},{},0,{} short={},{},0,0 dropped=0,0,0,0",
        read.ios,
        write.ios,
        stats.sync.moments.count(),
        read.short_ios,
        write.short_ios
    )?;
    if entry.counts_errors() {
        let meaning = match stats.first_error {
            0 => "Success".into(),
            errno => io::Error::from_raw_os_error(errno).to_string(),
        };
        let (count, first) = (stats.error_count, stats.first_error);
        writeln!(out, "     errors    : total={count}, first_error={first}/<{meaning}>")?;
    }
    let search = entry.job.search.as_ref();
    writeln!(
        out,
        "     latency   : target={}, window={}, percentile={:.2}%, depth={}",
        search.map_or(0, |search| search.latency.as_nanos()),
        search.and_then(|search| search.window).map_or(0, |window| window.as_micros()),
        search.map_or(100.0, |search| search.percentile),
        entry.depth()
    )
}

fn depths(
    name: &str,
    indent: usize,
    levels: &[&str],
    counts: &[u64; DEPTH_CLASSES],
    out: &mut dyn Write,
) -> io::Result<()> {
    let shares = depth_shares(counts);
    let shown = levels.iter().zip(shares).map(|(level, share)| format!("{level}={share:3.1}%"));
    let shown = shown.collect::<Vec<_>>().join(", ");
    writeln!(out, "{:indent$}{name} : {shown}", "")
}

/// The lines at the end that sum up each group.
fn groups(entries: &[Entry<'_>], out: &mut dyn Write) -> io::Result<()> {
    let mut numbers: Vec<u32> = entries.iter().map(|entry| entry.group).collect();
    numbers.dedup();
    for group in numbers {
        writeln!(out, "\nRun status group {group} (all jobs):")?;
        let job = entries.iter().find(|entry| entry.group == group).map(|entry| entry.job);
        let Some(prefixes) = job.map(Prefixes::of) else { continue };
        for (name, title) in [("read", "   READ"), ("write", "  WRITE"), ("mixed", "  MIXED")] {
            let Some(rates) = entry::group_rates(entries, group, name) else { continue };
            let both = |rate, binary| {
                let (least, most) = (rates.bytes_per_s_min, rates.bytes_per_s_max);
                let range =
                    format!("{}-{}", prefixes.rate(least, binary), prefixes.rate(most, binary));
                (prefixes.rate(rate, binary), range)
            };
            let (binary, binary_range) = both(rates.bytes_per_s, true);
            let (decimal, decimal_range) = both(rates.bytes_per_s, false);
            writeln!(
                out,
                "{title}: bw={binary} ({decimal}), {binary_range} ({decimal_range}), io={} ({}), \
                 run={}-{}msec",
                units::bytes(rates.bytes, prefixes.digits, true),
                units::bytes(rates.bytes, prefixes.digits, false),
                rates.runtime_ms_min,
                rates.runtime_ms_max
            )?;
        }
    }
    Ok(())
}

/// What each depth of a sweep gave.
fn sweep(outcome: &Outcome, out: &mut dyn Write) -> io::Result<()> {
    let points = &outcome.trace.sweep;
    if !points.is_empty() {
        writeln!(out, "\nSweep:\n  depth      IOPS         BW   p99 (usec)")?;
    }
    for point in points {
        writeln!(
            out,
            "  {:>5} {:>9} {:>10} {:>12.1}{}",
            point.depth,
            units::number(point.ios_per_s as u64, 4, false),
            units::rate(point.bytes_per_s as u64, 4, true, false),
            point.p99.as_secs_f64() * 1e6,
            if point.knee { "   <- knee" } else { "" }
        )?;
    }
    Ok(())
}

/// How a job wants its numbers.
pub(super) struct Prefixes {
    pub(super) digits: usize,
    bits: bool,
}

impl Prefixes {
    fn of(job: &Job) -> Self {
        Self { digits: job.recording.significant_figures as usize, bits: job.unit_base == Some(1) }
    }

    pub(super) fn rate(&self, bytes_per_s: u64, binary: bool) -> String {
        units::rate(bytes_per_s, self.digits, binary, self.bits)
    }
}
