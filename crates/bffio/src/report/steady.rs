//! The steady state of an entry, as fio reports it.

use serde::Serialize;

use super::entry::Entry;
use super::text::Prefixes;
use super::units;
use crate::job::{deviation_max, mean, slope};
use crate::run::Steadiness;

/// The section `steadystate` of an entry.
#[derive(Debug, Serialize)]
pub(super) struct SteadySection {
    ss: String,
    duration: u32,
    attained: u8,
    criterion: String,
    max_deviation: f64,
    slope: f64,
    data: DataSection,
}

#[derive(Debug, Serialize)]
struct DataSection {
    bw_mean: u64,
    iops_mean: u64,
    iops: Vec<u64>,
    bw: Vec<u64>,
}

fn of<'o>(entry: &Entry<'o>) -> Option<&'o Steadiness> {
    entry.members.iter().find_map(|member| member.steady.as_ref())
}

impl SteadySection {
    /// `None` if the entry was not to become steady.
    pub(super) fn of(entry: &Entry<'_>) -> Option<Self> {
        let steady = of(entry)?;
        let percent = if steady.asked.percent { "%" } else { "" };
        let by_slope = steady.asked.slope;
        let seconds = steady.asked.seconds as usize;
        // Seconds that were not reached count as nothing.
        let whole = |rates: &[f64]| {
            let mut rates: Vec<u64> = rates.iter().map(|rate| *rate as u64).collect();
            rates.resize(seconds, 0);
            rates
        };
        let (iops, bw) = (whole(&steady.ios_per_s), whole(&steady.bytes_per_s));
        let mean = |rates: &[u64]| rates.iter().sum::<u64>() / seconds as u64;
        Some(Self {
            ss: steady.asked.to_string(),
            duration: steady.asked.seconds,
            attained: steady.attained.into(),
            criterion: format!("{:.6}{percent}", steady.value()),
            max_deviation: if by_slope { 0.0 } else { deviation_max(steady.rates()) },
            slope: if by_slope { slope(steady.rates()) } else { 0.0 },
            data: DataSection { bw_mean: mean(&bw), iops_mean: mean(&iops), iops, bw },
        })
    }
}

/// The line of the text report, if the entry was to become steady.
pub(super) fn line(entry: &Entry<'_>, prefixes: &Prefixes) -> Option<String> {
    let steady = of(entry)?;
    let asked = &steady.asked;
    let bytes_per_s = mean(&steady.bytes_per_s) as u64;
    Some(format!(
        "  steadystate  : attained={}, bw={} ({}), iops={}, {}{}={:.3}{}\n",
        if steady.attained { "yes" } else { "no" },
        prefixes.rate(bytes_per_s, true),
        prefixes.rate(bytes_per_s, false),
        units::number(mean(&steady.ios_per_s) as u64, prefixes.digits, false),
        asked.rate.name(),
        if asked.slope { " slope" } else { " mean dev" },
        steady.value(),
        if asked.percent { "%" } else { "" },
    ))
}
