//! fio's line of semicolons, version 3.

use std::io::{self, Write};

use super::VERSION;
use super::entry::{self, Entry, percent_of_group};
use crate::job::{Direction, UnifiedReporting};
use crate::run::Outcome;
use crate::stats::DirectionStats;
use crate::stats::moments::Moments;
use crate::stats::spread::depth_shares;

/// Fields for percentiles, whatever their number.
const PERCENTILE_FIELDS: usize = 20;

/// Writes one line per entry.
pub(super) fn write(
    outcome: &Outcome,
    entries: &[Entry<'_>],
    out: &mut dyn Write,
) -> io::Result<()> {
    for entry in entries {
        let mut fields: Vec<String> = vec![
            "3".into(),
            VERSION.into(),
            entry.job.name.replace(';', "_"),
            entry.group.to_string(),
            entry.errno().to_string(),
        ];
        directions(&mut fields, entries, entry);
        machine(&mut fields, entry);
        for disk in &outcome.disks {
            fields.push(disk.name.clone());
            let pairs = [disk.ios, disk.merges, disk.ticks_ms];
            fields.extend(pairs.as_flattened().iter().map(u64::to_string));
            fields.extend([disk.in_queue_ms.to_string(), format!("{:.2}%", disk.util_percent)]);
        }
        if entry.counts_errors() {
            let stats = &entry.stats;
            fields.extend([stats.error_count.to_string(), stats.first_error.to_string()]);
        }
        let description = entry.job.description.iter().filter(|text| !text.is_empty());
        fields.extend(description.map(|text| text.replace(';', "_")));
        writeln!(out, "{}", fields.join(";"))?;
    }
    Ok(())
}

/// Reads and writes; what is reported as one stands where reads do.
fn directions(fields: &mut Vec<String>, entries: &[Entry<'_>], entry: &Entry<'_>) {
    if entry.job.unified_reporting == UnifiedReporting::Mixed {
        direction(fields, entries, entry, "mixed", &entry.stats.mixed());
        direction(fields, entries, entry, "none", &DirectionStats::default());
        return;
    }
    for (name, which) in ["read", "write"].into_iter().zip(Direction::ALL) {
        direction(fields, entries, entry, name, &entry.stats.directions[which]);
    }
}

fn direction(
    fields: &mut Vec<String>,
    entries: &[Entry<'_>],
    entry: &Entry<'_>,
    name: &str,
    stats: &DirectionStats,
) {
    let kib = stats.bytes >> 10;
    let kib_per_s = stats.bytes_per_s() >> 10;
    let ios_per_s = stats.ios_per_s() as u64;
    fields.extend([kib, kib_per_s, ios_per_s, stats.runtime_ms].map(|field| field.to_string()));
    latency(fields, &stats.slat.moments);
    latency(fields, &stats.clat.moments);
    percentiles(fields, entry, stats);
    latency(fields, &stats.lat.moments);
    let bandwidth = &stats.bandwidth;
    let group = entry::group_rates(entries, entry.group, name);
    fields.extend([bandwidth.min().to_string(), bandwidth.max().to_string()]);
    fields.push(format!("{:.6}%", percent_of_group(bandwidth.mean(), group)));
    fields.extend([bandwidth.mean(), bandwidth.deviation()].map(|field| format!("{field:.6}")));
}

/// In microseconds.
fn latency(fields: &mut Vec<String>, moments: &Moments) {
    fields.extend([moments.min(), moments.max()].map(|ns| (ns / 1000).to_string()));
    fields.extend([moments.mean(), moments.deviation()].map(|ns| format!("{:.6}", ns / 1000.0)));
}

fn percentiles(fields: &mut Vec<String>, entry: &Entry<'_>, stats: &DirectionStats) {
    let wanted = &entry.job.recording.percentiles;
    let kind = if wanted.lat { &stats.lat } else { &stats.clat };
    let values = kind.bins.as_ref().map(|bins| {
        let mut values = bins.percentiles(&wanted.list);
        values.resize(wanted.list.len(), 0); // None without I/O.
        values
    });
    let pairs = wanted.list.iter().zip(values.unwrap_or_default());
    let shown = pairs.map(|(percent, ns)| format!("{percent:.6}%={}", ns / 1000));
    let padding = std::iter::repeat_with(|| "0%=0".to_owned());
    fields.extend(shown.chain(padding).take(PERCENTILE_FIELDS));
}

/// CPUs, depths, and latencies by class.
fn machine(fields: &mut Vec<String>, entry: &Entry<'_>) {
    let stats = &entry.stats;
    let (user_percent, system_percent) = entry.cpu_percents();
    fields.extend([user_percent, system_percent].map(|percent| format!("{percent:.6}%")));
    let usage = &stats.usage;
    let counts = [usage.context_switches, usage.major_faults, usage.minor_faults];
    fields.extend(counts.map(|count| count.to_string()));
    fields.extend(depth_shares(&stats.depth.level).map(|share| format!("{share:.1}%")));
    let (ns, mut us, ms) = stats.latency.shares(stats.ios());
    // This format knows nothing below a microsecond.
    us[0] += ns.iter().sum::<f64>();
    fields.extend(us.iter().chain(&ms).map(|share| format!("{share:.2}%")));
}
