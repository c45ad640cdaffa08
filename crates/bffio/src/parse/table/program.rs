//! Options of the program: reports, progress, permissions, help.

use std::path::PathBuf;
use std::time::Duration;

use super::super::expression::Problem;
use super::super::program::{Print, ProgramOption, Shell, Takes};
use super::super::spec::Form;
use super::super::value::{TimeUnit, Value};
use crate::job::{Eta, Format};

/// Depths of a `--sweep` without list.
const SWEEP_DEPTHS: [u32; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/// Below this a progress line costs more than it tells.
const ETA_INTERVAL_MIN: Duration = Duration::from_millis(10);

/// The options; those that are refused come last.
pub(crate) const OPTIONS: &[ProgramOption] = &[
    ProgramOption::new(
        "sweep",
        Takes::Maybe(Form::Text),
        "Run each job at these depths, one after the other, and mark where more stops to pay: 1,8,64",
        |invocation, value| {
            invocation.settings.sweep = Some(depths(value)?);
            Ok(())
        },
    ),
    ProgramOption::new(
        "plot",
        Takes::Value(Form::Path),
        "Draw the run into this SVG file",
        |invocation, value| {
            let path = PathBuf::from(value.text()?);
            if path.extension().is_none_or(|extension| !extension.eq_ignore_ascii_case("svg")) {
                return Err("pictures are SVG; end the name with .svg".to_owned());
            }
            invocation.settings.plot = Some(path);
            Ok(())
        },
    ),
    ProgramOption::new(
        "live",
        Takes::Nothing,
        "Show the run on the whole terminal while it goes on",
        |invocation, _| {
            invocation.settings.live = true;
            Ok(())
        },
    ),
    ProgramOption::new(
        "output",
        Takes::Value(Form::Path),
        "Write the reports to this file",
        |invocation, value| {
            invocation.settings.output = Some(value.text()?.into());
            Ok(())
        },
    )
    .short('o'),
    ProgramOption::new(
        "output-format",
        Takes::Value(Form::Choice(&["normal", "terse", "json", "json+"])),
        "Form of the report, or several with a comma between them",
        |invocation, value| {
            invocation.settings.formats = formats(value)?;
            Ok(())
        },
    ),
    ProgramOption::new(
        "minimal",
        Takes::Nothing,
        "The same as --output-format=terse",
        |invocation, _| {
            invocation.settings.formats = vec![Format::Terse];
            Ok(())
        },
    )
    .short('m'),
    ProgramOption::new(
        "append-terse",
        Takes::Nothing,
        "A terse line after the text report",
        |invocation, _| {
            invocation.settings.append_terse = true;
            Ok(())
        },
    ),
    ProgramOption::new(
        "terse-version",
        Takes::Value(Form::Count),
        "3, the only version there is here",
        |_, value| match value.count(2..=5)? {
            3 => Ok(()),
            version => Err(format!("version {version} is not supported, 3 is")),
        },
    ),
    ProgramOption::new(
        "parse-only",
        Takes::Nothing,
        "Check command line and job files, and do no I/O",
        |invocation, _| {
            invocation.parse_only = true;
            Ok(())
        },
    ),
    ProgramOption::new(
        "readonly",
        Takes::Nothing,
        "A job that writes is an error",
        |invocation, _| {
            invocation.settings.readonly = true;
            Ok(())
        },
    ),
    ProgramOption::new(
        "section",
        Takes::Value(Form::Text),
        "Run this section of the job files only; may be repeated",
        |invocation, value| {
            invocation.sections.push(value.text()?.to_owned());
            Ok(())
        },
    ),
    ProgramOption::new(
        "eta",
        Takes::Value(Form::Choice(&["auto", "always", "never"])),
        "When the progress line is shown",
        |invocation, value| {
            invocation.settings.eta = value.choice(&[
                ("auto", Eta::Auto),
                ("always", Eta::Always),
                ("never", Eta::Never),
            ])?;
            Ok(())
        },
    ),
    ProgramOption::new(
        "eta-newline",
        Takes::Value(Form::Time),
        "A new progress line so often (seconds)",
        |invocation, value| {
            invocation.settings.eta_newline = period(value)?;
            Ok(())
        },
    ),
    ProgramOption::new(
        "eta-interval",
        Takes::Value(Form::Time),
        "Renew the progress line so often (ms)",
        |invocation, value| {
            let interval = value.duration(TimeUnit::Milliseconds)?;
            if interval < ETA_INTERVAL_MIN {
                return Err("renewing more often than every 10 ms is of no use".to_owned());
            }
            invocation.settings.eta_interval = interval;
            Ok(())
        },
    ),
    ProgramOption::new(
        "status-interval",
        Takes::Value(Form::Time),
        "A full report so often (seconds)",
        |invocation, value| {
            invocation.settings.status_interval = period(value)?;
            Ok(())
        },
    ),
    ProgramOption::new(
        "aux-path",
        Takes::Value(Form::Path),
        "Directory of the logs",
        |invocation, value| {
            invocation.settings.aux_path = Some(value.text()?.into());
            Ok(())
        },
    ),
    ProgramOption::new(
        "bandwidth-log",
        Takes::Nothing,
        "Log the bandwidth of all jobs together",
        |invocation, _| {
            invocation.settings.bandwidth_log = true;
            Ok(())
        },
    ),
    ProgramOption::new(
        "warnings-fatal",
        Takes::Nothing,
        "What would be a note is an error",
        |invocation, _| {
            invocation.warnings_fatal = true;
            Ok(())
        },
    ),
    ProgramOption::new(
        "max-jobs",
        Takes::Value(Form::Count),
        "Most workers of all jobs together",
        |invocation, value| {
            invocation.worker_count_max = Some(value.count(1..=u32::MAX)?);
            Ok(())
        },
    ),
    ProgramOption::new(
        "alloc-size",
        Takes::Value(Form::Count),
        "Accepted without effect",
        |_, value| value.integer().map(drop),
    ),
    ProgramOption::new("help", Takes::Nothing, "Print help with examples", |invocation, _| {
        invocation.print = Some(Print::Help);
        Ok(())
    })
    .short('h'),
    ProgramOption::new(
        "cmdhelp",
        Takes::Maybe(Form::Text),
        "Print help of a job option, or a list of all",
        |invocation, value| {
            let name = Some(value.text.to_owned()).filter(|name| !name.is_empty() && name != "all");
            invocation.print = Some(Print::Option(name));
            Ok(())
        },
    )
    .short('c'),
    ProgramOption::new("version", Takes::Nothing, "Print the version", |invocation, _| {
        invocation.print = Some(Print::Version);
        Ok(())
    })
    .short('v'),
    ProgramOption::new(
        "completions",
        Takes::Value(Form::Choice(&["bash", "zsh", "fish"])),
        "Print completions for a shell",
        |invocation, value| {
            let shell = value.choice(&[
                ("bash", Shell::Bash),
                ("zsh", Shell::Zsh),
                ("fish", Shell::Fish),
            ])?;
            invocation.print = Some(Print::Completions(shell));
            Ok(())
        },
    ),
    ProgramOption::new("man", Takes::Nothing, "Print the manual page", |invocation, _| {
        invocation.print = Some(Print::Manual);
        Ok(())
    }),
    ProgramOption::refused("client", "bffio measures the machine it runs on; start it there"),
    ProgramOption::refused("server", "bffio measures the machine it runs on; start it there"),
    ProgramOption::refused("daemonize", "start it with setsid or systemd-run"),
    ProgramOption::refused(
        "remote-config",
        "bffio measures the machine it runs on; name the job file",
    ),
    ProgramOption::refused("idle-prof", "use mpstat or perf beside the run"),
    ProgramOption::refused("inflate-log", "logs are not compressed"),
    ProgramOption::refused("trigger-file", "end the run with SIGINT"),
    ProgramOption::refused("trigger-timeout", "end the run with runtime or SIGINT"),
    ProgramOption::refused("trigger", "use exec_postrun"),
    ProgramOption::refused("trigger-remote", "use exec_postrun"),
    ProgramOption::refused("merge-blktrace-only", "traces are not replayed"),
    ProgramOption::refused("crctest", "bffio tests storage only"),
    ProgramOption::refused("cpuclock-test", "bffio tests storage only"),
    ProgramOption::refused("showcmd", "--parse-only checks a job file"),
    ProgramOption::refused("enghelp", "every engine is Aura's; --cmdhelp lists the options"),
    ProgramOption::refused("debug", "use strace or perf"),
];

fn formats(value: Value<'_>) -> Result<Vec<Format>, Problem> {
    let mut formats = Vec::new();
    for part in value.split(',') {
        let format = part.choice(&[
            ("normal", Format::Normal),
            ("terse", Format::Terse),
            ("minimal", Format::Terse),
            ("json", Format::Json),
            ("json+", Format::JsonPlus),
        ])?;
        if !formats.contains(&format) {
            formats.push(format);
        }
    }
    Ok(formats)
}

fn depths(value: Value<'_>) -> Result<Vec<u32>, Problem> {
    if value.text.is_empty() {
        return Ok(SWEEP_DEPTHS.to_vec());
    }
    let mut depths =
        value.split(',').map(|part| part.count(1..=65_536)).collect::<Result<Vec<_>, _>>()?;
    depths.sort_unstable();
    depths.dedup();
    Ok(depths)
}

/// Nothing if it is 0, as fio has it.
fn period(value: Value<'_>) -> Result<Option<Duration>, Problem> {
    let period = value.duration(TimeUnit::Seconds)?;
    Ok(Some(period).filter(|period| !period.is_zero()))
}
