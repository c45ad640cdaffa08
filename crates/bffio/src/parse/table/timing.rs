//! Options about order, time and rate, and about the search for a depth.

use super::super::spec::{Form, Spec};
use super::super::value::{TimeUnit, Value};
use crate::job::{RateProcess, SteadyRate, ThinkCount};

pub(super) const OPTIONS: &[Spec] = &[
    Spec::new(
        "name",
        Form::Text,
        "The job's name; begins a job on the command line",
        |draft, value| {
            value.text()?.clone_into(&mut draft.job.name);
            Ok(())
        },
    ),
    Spec::new("description", Form::OptionalText, "Any text", |draft, value| {
        draft.job.description = Some(value.text.to_owned());
        Ok(())
    }),
    Spec::new(
        "ioengine",
        Form::Text,
        "Any of fio's engines; the I/O is Aura's all the same",
        |draft, value| {
            value.text()?.clone_into(&mut draft.job.engine);
            Ok(())
        },
    ),
    Spec::new("iodepth", Form::Count, "I/Os in flight per worker", |draft, value| {
        draft.depth = Some(value.count(1..=65_536)?);
        Ok(())
    }),
    Spec::new("numjobs", Form::Count, "Workers that run this job", |draft, value| {
        draft.job.worker_count = value.count(1..=4096)?;
        Ok(())
    }),
    Spec::new("thread", Form::Flag, "Workers are threads; here they always are", |_, value| {
        value.flag().map(drop)
    }),
    Spec::new("runtime", Form::Time, "End after this time (seconds)", |draft, value| {
        draft.job.timing.runtime =
            Some(value.duration(TimeUnit::Seconds)?).filter(|time| !time.is_zero());
        Ok(())
    })
    .alias(&["timeout"]),
    Spec::new("time_based", Form::Flag, "Start again until the runtime is over", |draft, value| {
        draft.job.timing.time_based = value.flag()?;
        Ok(())
    }),
    Spec::new(
        "ramp_time",
        Form::Time,
        "Time before the measurement begins (seconds)",
        |draft, value| {
            draft.job.timing.ramp = value.duration(TimeUnit::Seconds)?;
            Ok(())
        },
    ),
    Spec::new(
        "startdelay",
        Form::Time,
        "Wait before the start, or a range of times (seconds)",
        |draft, value| {
            let (low, high) = value.range(|part| part.duration(TimeUnit::Seconds))?;
            draft.job.timing.start_delay = low..=high;
            Ok(())
        },
    ),
    Spec::new("loops", Form::Count, "How often the job is run", |draft, value| {
        draft.job.timing.loops = value.count(1..=u32::MAX)?;
        Ok(())
    }),
    Spec::new("stonewall", Form::Flag, "Start when all jobs before have ended", |draft, value| {
        draft.job.stonewall = value.flag()?;
        Ok(())
    })
    .alias(&["wait_for_previous"]),
    Spec::new(
        "wait_for",
        Form::Text,
        "Start when the job of this name has ended",
        |draft, value| {
            draft.job.wait_for = Some(value.text()?.to_owned()).filter(|name| name != "none");
            Ok(())
        },
    ),
    Spec::new("new_group", Form::Flag, "A new group for the reports begins", |draft, value| {
        draft.job.new_group = value.flag()?;
        Ok(())
    }),
    Spec::new("exitall", Form::Flag, "All jobs end when this one does", |draft, value| {
        draft.job.exit_all = value.flag()?;
        Ok(())
    }),
    Spec::new(
        "exitall_on_error",
        Form::Flag,
        "All jobs end when this one fails",
        |draft, value| {
            draft.job.exit_all_on_error = value.flag()?;
            Ok(())
        },
    ),
    Spec::new("exec_prerun", Form::Text, "Shell command before the job", |draft, value| {
        draft.job.exec_before = Some(value.text()?.to_owned());
        Ok(())
    }),
    Spec::new("exec_postrun", Form::Text, "Shell command after the job", |draft, value| {
        draft.job.exec_after = Some(value.text()?.to_owned());
        Ok(())
    }),
    Spec::new("rate", Form::Bytes, "Bytes per second at most, or READS,WRITES", |draft, value| {
        draft.job.rates.bytes_per_s = value.per_direction(Value::bytes_positive)?;
        Ok(())
    }),
    Spec::new("rate_min", Form::Bytes, "Fail below so many bytes per second", |draft, value| {
        draft.job.rates.bytes_per_s_min = value.per_direction(Value::bytes_positive)?;
        Ok(())
    })
    .alias(&["ratemin"]),
    Spec::new(
        "rate_iops",
        Form::Count,
        "I/Os per second at most, or READS,WRITES",
        |draft, value| {
            draft.job.rates.ios_per_s = value.per_direction(|part| part.count(1..=u32::MAX))?;
            Ok(())
        },
    ),
    Spec::new(
        "rate_iops_min",
        Form::Count,
        "Fail below so many I/Os per second",
        |draft, value| {
            draft.job.rates.ios_per_s_min = value.per_direction(|part| part.count(1..=u32::MAX))?;
            Ok(())
        },
    ),
    Spec::new(
        "rate_cycle",
        Form::Time,
        "Over what time a minimum is judged (ms)",
        |draft, value| {
            draft.job.rates.cycle = value.duration(TimeUnit::Milliseconds)?;
            Ok(())
        },
    )
    .alias(&["ratecycle"]),
    Spec::new(
        "rate_process",
        Form::Choice(&["linear", "poisson"]),
        "How limited I/Os are spread",
        |draft, value| {
            draft.job.rates.process = value
                .choice(&[("linear", RateProcess::Linear), ("poisson", RateProcess::Poisson)])?;
            Ok(())
        },
    ),
    Spec::new(
        "rate_ignore_thinktime",
        Form::Bool,
        "Catch up on what was missed while thinking",
        |draft, value| {
            draft.job.rates.ignore_think = value.boolean()?;
            Ok(())
        },
    ),
    Spec::new("thinktime", Form::Time, "Pause between I/Os (us)", |draft, value| {
        draft.job.think.time = value.duration(TimeUnit::Microseconds)?;
        Ok(())
    }),
    Spec::new(
        "steadystate",
        Form::Text,
        "What is steady: iops, bw, iops_slope or bw_slope, a colon, and a limit or percent",
        |draft, value| {
            let (rate, limit) = value
                .text()?
                .split_once(':')
                .ok_or("a limit is missing; write iops_slope:0.3% or bw:10m")?;
            (draft.steady.rate, draft.steady.slope) = value.part(rate).choice(&[
                ("iops", (SteadyRate::Ios, false)),
                ("iops_slope", (SteadyRate::Ios, true)),
                ("bw", (SteadyRate::Bytes, false)),
                ("bw_slope", (SteadyRate::Bytes, true)),
            ])?;
            let limit = value.part(limit);
            let percent = limit.text.strip_suffix('%');
            draft.steady.percent = percent.is_some();
            draft.steady.limit = match (percent, draft.steady.rate) {
                (Some(percent), _) => limit.part(percent).fraction(0.0..=f64::MAX)?,
                (None, SteadyRate::Ios) => limit.fraction(0.0..=f64::MAX)?,
                (None, SteadyRate::Bytes) => limit.bytes()? as f64,
            };
            Ok(())
        },
    )
    .alias(&["ss"]),
    Spec::new(
        "steadystate_duration",
        Form::Time,
        "End when steady for so long (seconds)",
        |draft, value| {
            let seconds = value.duration(TimeUnit::Seconds)?.as_secs();
            draft.steady.seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
            Ok(())
        },
    )
    .alias(&["ss_dur"]),
    Spec::new(
        "steadystate_ramp_time",
        Form::Time,
        "Time before steadystate is judged (seconds)",
        |draft, value| {
            draft.steady.ramp = value.duration(TimeUnit::Seconds)?;
            Ok(())
        },
    )
    .alias(&["ss_ramp"]),
    Spec::new(
        "thinktime_spin",
        Form::Time,
        "Part of the pause that computes (us)",
        |draft, value| {
            draft.job.think.spin = value.duration(TimeUnit::Microseconds)?;
            Ok(())
        },
    ),
    Spec::new("thinktime_blocks", Form::Count, "I/Os between pauses", |draft, value| {
        draft.job.think.ios = value.count(1..=u32::MAX)?;
        Ok(())
    }),
    Spec::new(
        "thinktime_blocks_type",
        Form::Choice(&["complete", "issue"]),
        "Which I/Os count",
        |draft, value| {
            draft.job.think.counts = value
                .choice(&[("complete", ThinkCount::Completed), ("issue", ThinkCount::Issued)])?;
            Ok(())
        },
    ),
    Spec::new("thinktime_iotime", Form::Time, "Time between pauses (us)", |draft, value| {
        draft.job.think.io_time = value.duration(TimeUnit::Microseconds)?;
        Ok(())
    }),
    Spec::new(
        "max_latency",
        Form::Time,
        "An I/O that takes longer ends the job (us)",
        |draft, value| {
            draft.job.max_latency =
                Some(value.duration(TimeUnit::Microseconds)?).filter(|time| !time.is_zero());
            Ok(())
        },
    ),
];

pub(super) const SEARCH_OPTIONS: &[Spec] = &[
    Spec::new(
        "target-p99",
        Form::Time,
        "Find the depth at which 99 % take no longer (us; not in fio)",
        |draft, value| {
            draft.target_p99 = Some(value.duration(TimeUnit::Microseconds)?);
            Ok(())
        },
    ),
    Spec::new(
        "latency_target",
        Form::Time,
        "Find the depth at which latency_percentile take no longer (us)",
        |draft, value| {
            draft.latency_target =
                Some(value.duration(TimeUnit::Microseconds)?).filter(|time| !time.is_zero());
            Ok(())
        },
    ),
    Spec::new(
        "latency_percentile",
        Form::Number,
        "Percent that must meet latency_target",
        |draft, value| {
            draft.latency_percentile = Some(value.fraction(0.0..=100.0)?);
            Ok(())
        },
    ),
    Spec::new(
        "latency_window",
        Form::Time,
        "Time over which the target is judged (us)",
        |draft, value| {
            draft.latency_window =
                Some(value.duration(TimeUnit::Microseconds)?).filter(|time| !time.is_zero());
            Ok(())
        },
    ),
    Spec::new(
        "latency_run",
        Form::Bool,
        "Keep adjusting until the runtime is over",
        |draft, value| {
            draft.latency_run = value.boolean()?;
            Ok(())
        },
    ),
];
