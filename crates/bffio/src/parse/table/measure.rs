//! Options about measurement, reports and logs.

use super::super::draft::LogName;
use super::super::expression::Problem;
use super::super::spec::{Form, Spec};
use super::super::value::{TimeUnit, Value};
use crate::job::{ContinueOnError, UnifiedReporting};

pub(super) const OPTIONS: &[Spec] = &[
    Spec::new(
        "group_reporting",
        Form::Flag,
        "Report the workers of a group as one",
        |draft, value| {
            draft.job.group_reporting = value.flag()?;
            Ok(())
        },
    ),
    Spec::new(
        "unified_rw_reporting",
        Form::Choice(&["none", "mixed", "both", "0", "1"]),
        "Report directions together",
        |draft, value| {
            draft.job.unified_reporting = value.choice(&[
                ("none", UnifiedReporting::Separate),
                ("0", UnifiedReporting::Separate),
                ("mixed", UnifiedReporting::Mixed),
                ("1", UnifiedReporting::Mixed),
                ("both", UnifiedReporting::Both),
            ])?;
            Ok(())
        },
    ),
    Spec::new("stats", Form::Bool, "Whether the job is reported at all", |draft, value| {
        draft.job.recording.stats = value.boolean()?;
        Ok(())
    }),
    Spec::new(
        "percentile_list",
        Form::Text,
        "Percentiles to report, with a colon between them",
        |draft, value| {
            draft.job.recording.percentiles.list = percentiles(value)?;
            Ok(())
        },
    ),
    Spec::new(
        "clat_percentiles",
        Form::Bool,
        "Percentiles of completion latencies",
        |draft, value| {
            draft.job.recording.percentiles.clat = value.boolean()?;
            Ok(())
        },
    ),
    Spec::new("lat_percentiles", Form::Bool, "Percentiles of total latencies", |draft, value| {
        draft.job.recording.percentiles.lat = value.boolean()?;
        Ok(())
    }),
    Spec::new(
        "slat_percentiles",
        Form::Bool,
        "Percentiles of submission latencies",
        |draft, value| {
            draft.job.recording.percentiles.slat = value.boolean()?;
            Ok(())
        },
    ),
    Spec::new(
        "gtod_reduce",
        Form::Bool,
        "Switch off everything that reads the clock often",
        |draft, value| {
            draft.disabled.all = value.boolean()?;
            Ok(())
        },
    ),
    Spec::new("disable_lat", Form::Bool, "No total latencies", |draft, value| {
        draft.disabled.lat = value.boolean()?;
        Ok(())
    }),
    Spec::new("disable_clat", Form::Bool, "No completion latencies", |draft, value| {
        draft.disabled.clat = value.boolean()?;
        Ok(())
    }),
    Spec::new("disable_slat", Form::Bool, "No submission latencies", |draft, value| {
        draft.disabled.slat = value.boolean()?;
        Ok(())
    }),
    Spec::new(
        "disable_bw_measurement",
        Form::Bool,
        "No samples of bandwidth and IOPS",
        |draft, value| {
            draft.disabled.bandwidth = value.boolean()?;
            Ok(())
        },
    )
    .alias(&["disable_bw"]),
    Spec::new("bwavgtime", Form::Time, "Time of a bandwidth sample (ms)", |draft, value| {
        draft.job.recording.bandwidth_window = window(value)?;
        Ok(())
    }),
    Spec::new("iopsavgtime", Form::Time, "Time of an IOPS sample (ms)", |draft, value| {
        draft.job.recording.iops_window = window(value)?;
        Ok(())
    }),
    Spec::new("disk_util", Form::Bool, "Report how busy the devices below are", |draft, value| {
        draft.job.recording.disk_util = value.boolean()?;
        Ok(())
    }),
    Spec::new("significant_figures", Form::Count, "Digits of the text report", |draft, value| {
        draft.job.recording.significant_figures = value.count(1..=10)?;
        Ok(())
    }),
    Spec::new(
        "kb_base",
        Form::Choice(&["1024", "1000"]),
        "Whether 4k is 4096 or 4000",
        |draft, value| {
            draft.job.kb_base = value.choice(&[("1024", 1024), ("1000", 1000)])?;
            Ok(())
        },
    ),
    Spec::new(
        "unit_base",
        Form::Choice(&["0", "8", "1"]),
        "Bytes (8) or bits (1) in the text report",
        |draft, value| {
            draft.job.unit_base = value.choice(&[("0", None), ("8", Some(8)), ("1", Some(1))])?;
            Ok(())
        },
    ),
    Spec::new(
        "continue_on_error",
        Form::Choice(&["none", "read", "write", "io", "verify", "all", "0", "1"]),
        "Errors that are counted instead of ending the job",
        |draft, value| {
            let errors = |read, write, verify| ContinueOnError { read, write, verify };
            draft.job.continue_on_error = value.choice(&[
                ("none", errors(false, false, false)),
                ("0", errors(false, false, false)),
                ("read", errors(true, false, false)),
                ("write", errors(false, true, false)),
                ("io", errors(true, true, false)),
                ("verify", errors(false, false, true)),
                ("all", errors(true, true, true)),
                ("1", errors(true, true, true)),
            ])?;
            Ok(())
        },
    ),
    Spec::new(
        "write_bw_log",
        Form::OptionalText,
        "Log bandwidth to files that begin with this",
        |draft, value| {
            draft.logs.bandwidth = Some(log_name(value));
            Ok(())
        },
    ),
    Spec::new(
        "write_iops_log",
        Form::OptionalText,
        "Log IOPS to files that begin with this",
        |draft, value| {
            draft.logs.iops = Some(log_name(value));
            Ok(())
        },
    ),
    Spec::new(
        "write_lat_log",
        Form::OptionalText,
        "Log latencies to files that begin with this",
        |draft, value| {
            draft.logs.latency = Some(log_name(value));
            Ok(())
        },
    ),
    Spec::new(
        "write_hist_log",
        Form::OptionalText,
        "Log histograms to files that begin with this",
        |draft, value| {
            draft.logs.histogram = Some(log_name(value));
            Ok(())
        },
    ),
    Spec::new(
        "log_avg_msec",
        Form::Time,
        "One line of a log for so much time (ms); 0 for one per I/O",
        |draft, value| {
            draft.job.logs.average =
                Some(value.duration(TimeUnit::Milliseconds)?).filter(|time| !time.is_zero());
            Ok(())
        },
    ),
    Spec::new(
        "log_max_value",
        Form::Bool,
        "Log the largest value of that time, not the average",
        |draft, value| {
            draft.job.logs.maximum = value.boolean()?;
            Ok(())
        },
    ),
    Spec::new(
        "log_hist_msec",
        Form::Time,
        "Time between histograms in the log (ms)",
        |draft, value| {
            draft.job.logs.histogram_window =
                Some(value.duration(TimeUnit::Milliseconds)?).filter(|time| !time.is_zero());
            Ok(())
        },
    ),
    Spec::new(
        "log_hist_coarseness",
        Form::Count,
        "How often neighbouring bins are joined, 0 to 6",
        |draft, value| {
            draft.job.logs.histogram_coarseness = value.count(0..=6)?;
            Ok(())
        },
    ),
    Spec::new("log_offset", Form::Bool, "Log the offset of each I/O", |draft, value| {
        draft.job.logs.offset = value.boolean()?;
        Ok(())
    }),
    Spec::new("log_prio", Form::Bool, "Log the priority of each I/O", |draft, value| {
        draft.job.logs.priority = value.boolean()?;
        Ok(())
    }),
    Spec::new("log_unix_epoch", Form::Bool, "Log times since 1970", |draft, value| {
        draft.job.logs.unix_epoch = value.boolean()?;
        Ok(())
    }),
    Spec::new(
        "per_job_logs",
        Form::Bool,
        "Names of logs with the worker's number",
        |draft, value| {
            draft.job.logs.per_job = value.boolean()?;
            Ok(())
        },
    ),
];

/// fio's most.
const PERCENTILE_COUNT_MAX: usize = 20;

fn percentiles(value: Value<'_>) -> Result<Vec<f64>, Problem> {
    let mut list = Vec::new();
    for text in value.text()?.split([':', ',']) {
        list.push(value.part(text).fraction(0.0..=100.0)?);
    }
    if list.len() > PERCENTILE_COUNT_MAX {
        return Err(format!(
            "{} percentiles, but at most {PERCENTILE_COUNT_MAX} are possible",
            list.len()
        ));
    }
    list.sort_by(f64::total_cmp);
    Ok(list)
}

fn window(value: Value<'_>) -> Result<std::time::Duration, Problem> {
    let window = value.duration(TimeUnit::Milliseconds)?;
    if window.is_zero() { Err("must not be 0".to_owned()) } else { Ok(window) }
}

fn log_name(value: Value<'_>) -> LogName {
    if value.text.is_empty() { LogName::Job } else { LogName::Given(value.text.into()) }
}
