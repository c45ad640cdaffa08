//! Options of the program: reports, progress, permissions, help.

use std::path::PathBuf;
use std::time::Duration;

use super::expression::Problem;
use super::spec::Form;
use super::value::{TimeUnit, Value};
use crate::job::{Eta, Format, Settings};

/// One option of the program.
#[derive(Clone, Copy)]
pub(crate) struct ProgramOption {
    pub(crate) name: &'static str,
    pub(crate) short: Option<char>,
    pub(crate) value: Takes,
    pub(crate) help: &'static str,
    pub(super) set: fn(&mut Invocation, Value<'_>) -> Result<(), Problem>,
}

/// Whether an option takes a value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Takes {
    Nothing,
    /// Only with `=`.
    Maybe(Form),
    Value(Form),
}

/// What the options of the program ask for.
#[derive(Clone, Debug)]
pub(super) struct Invocation {
    pub(super) settings: Settings,
    pub(super) sections: Vec<String>,
    pub(super) parse_only: bool,
    pub(super) warnings_fatal: bool,
    pub(super) worker_count_max: Option<u32>,
    pub(super) print: Option<Print>,
}

/// Something to print instead of running.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Print {
    /// `--help`.
    Help,
    /// `--version`.
    Version,
    /// `--cmdhelp=NAME`: one option, or all with `None`.
    Option(Option<String>),
    /// `--completions=SHELL`.
    Completions(Shell),
    /// `--man`.
    Manual,
}

/// A shell with completions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Shell {
    /// bash.
    Bash,
    /// zsh.
    Zsh,
    /// fish.
    Fish,
}

impl Invocation {
    pub(super) fn new() -> Self {
        Self {
            settings: Settings {
                output: None,
                formats: vec![Format::Normal],
                append_terse: false,
                readonly: false,
                eta: Eta::Auto,
                eta_newline: None,
                eta_interval: Duration::from_millis(500),
                status_interval: None,
                aux_path: None,
                bandwidth_log: false,
                sweep: None,
                plot: None,
                live: false,
            },
            sections: Vec::new(),
            parse_only: false,
            warnings_fatal: false,
            worker_count_max: None,
            print: None,
        }
    }
}

/// An option that is not part of bffio; what to do instead.
macro_rules! refused {
    ($name:literal, $remedy:literal) => {
        ProgramOption {
            name: $name,
            short: None,
            value: Takes::Maybe(Form::Text),
            help: "Not supported",
            set: |_, _| Err(concat!("not supported: ", $remedy).to_owned()),
        }
    };
}

/// Depths of a `--sweep` without list.
const SWEEP_DEPTHS: [u32; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/// The options; those that are refused come last.
pub(crate) const OPTIONS: &[ProgramOption] = &[
    ProgramOption {
        name: "sweep",
        short: None,
        value: Takes::Maybe(Form::Text),
        help: "Run each job at these depths, one after the other, and mark where more stops to pay: 1,8,64",
        set: |invocation, value| {
            invocation.settings.sweep = Some(depths(value)?);
            Ok(())
        },
    },
    ProgramOption {
        name: "plot",
        short: None,
        value: Takes::Value(Form::Path),
        help: "Draw the run into this SVG file",
        set: |invocation, value| {
            let path = PathBuf::from(value.text()?);
            if path.extension().is_none_or(|extension| !extension.eq_ignore_ascii_case("svg")) {
                return Err("pictures are SVG; end the name with .svg".to_owned());
            }
            invocation.settings.plot = Some(path);
            Ok(())
        },
    },
    ProgramOption {
        name: "live",
        short: None,
        value: Takes::Nothing,
        help: "Show the run on the whole terminal while it goes on",
        set: |invocation, _| {
            invocation.settings.live = true;
            Ok(())
        },
    },
    ProgramOption {
        name: "output",
        short: Some('o'),
        value: Takes::Value(Form::Path),
        help: "Write the reports to this file",
        set: |invocation, value| {
            invocation.settings.output = Some(value.text()?.into());
            Ok(())
        },
    },
    ProgramOption {
        name: "output-format",
        short: None,
        value: Takes::Value(Form::Choice(&["normal", "terse", "json", "json+"])),
        help: "Form of the report, or several with a comma between them",
        set: |invocation, value| {
            invocation.settings.formats = formats(value)?;
            Ok(())
        },
    },
    ProgramOption {
        name: "minimal",
        short: Some('m'),
        value: Takes::Nothing,
        help: "The same as --output-format=terse",
        set: |invocation, _| {
            invocation.settings.formats = vec![Format::Terse];
            Ok(())
        },
    },
    ProgramOption {
        name: "append-terse",
        short: None,
        value: Takes::Nothing,
        help: "A terse line after the text report",
        set: |invocation, _| {
            invocation.settings.append_terse = true;
            Ok(())
        },
    },
    ProgramOption {
        name: "terse-version",
        short: None,
        value: Takes::Value(Form::Count),
        help: "3, the only version there is here",
        set: |_, value| match value.count(2..=5)? {
            3 => Ok(()),
            version => Err(format!("version {version} is not supported, 3 is")),
        },
    },
    ProgramOption {
        name: "parse-only",
        short: None,
        value: Takes::Nothing,
        help: "Check command line and job files, and do no I/O",
        set: |invocation, _| {
            invocation.parse_only = true;
            Ok(())
        },
    },
    ProgramOption {
        name: "readonly",
        short: None,
        value: Takes::Nothing,
        help: "A job that writes is an error",
        set: |invocation, _| {
            invocation.settings.readonly = true;
            Ok(())
        },
    },
    ProgramOption {
        name: "section",
        short: None,
        value: Takes::Value(Form::Text),
        help: "Run this section of the job files only; may be repeated",
        set: |invocation, value| {
            invocation.sections.push(value.text()?.to_owned());
            Ok(())
        },
    },
    ProgramOption {
        name: "eta",
        short: None,
        value: Takes::Value(Form::Choice(&["auto", "always", "never"])),
        help: "When the progress line is shown",
        set: |invocation, value| {
            invocation.settings.eta = value.choice(&[
                ("auto", Eta::Auto),
                ("always", Eta::Always),
                ("never", Eta::Never),
            ])?;
            Ok(())
        },
    },
    ProgramOption {
        name: "eta-newline",
        short: None,
        value: Takes::Value(Form::Time),
        help: "A new progress line so often (seconds)",
        set: |invocation, value| {
            invocation.settings.eta_newline = Some(period(value)?);
            Ok(())
        },
    },
    ProgramOption {
        name: "eta-interval",
        short: None,
        value: Takes::Value(Form::Time),
        help: "Renew the progress line so often (ms)",
        set: |invocation, value| {
            let interval = value.duration(TimeUnit::Milliseconds)?;
            if interval < ETA_INTERVAL_MIN {
                return Err("renewing more often than every 10 ms is of no use".to_owned());
            }
            invocation.settings.eta_interval = interval;
            Ok(())
        },
    },
    ProgramOption {
        name: "status-interval",
        short: None,
        value: Takes::Value(Form::Time),
        help: "A full report so often (seconds)",
        set: |invocation, value| {
            invocation.settings.status_interval = Some(period(value)?);
            Ok(())
        },
    },
    ProgramOption {
        name: "aux-path",
        short: None,
        value: Takes::Value(Form::Path),
        help: "Directory of the logs",
        set: |invocation, value| {
            invocation.settings.aux_path = Some(value.text()?.into());
            Ok(())
        },
    },
    ProgramOption {
        name: "bandwidth-log",
        short: None,
        value: Takes::Nothing,
        help: "Log the bandwidth of all jobs together",
        set: |invocation, _| {
            invocation.settings.bandwidth_log = true;
            Ok(())
        },
    },
    ProgramOption {
        name: "warnings-fatal",
        short: None,
        value: Takes::Nothing,
        help: "What would be a note is an error",
        set: |invocation, _| {
            invocation.warnings_fatal = true;
            Ok(())
        },
    },
    ProgramOption {
        name: "max-jobs",
        short: None,
        value: Takes::Value(Form::Count),
        help: "Most workers of all jobs together",
        set: |invocation, value| {
            invocation.worker_count_max = Some(value.count(1..=u32::MAX)?);
            Ok(())
        },
    },
    ProgramOption {
        name: "alloc-size",
        short: None,
        value: Takes::Value(Form::Count),
        help: "Accepted without effect",
        set: |_, value| value.integer().map(drop),
    },
    ProgramOption {
        name: "help",
        short: Some('h'),
        value: Takes::Nothing,
        help: "Print help with examples",
        set: |invocation, _| {
            invocation.print = Some(Print::Help);
            Ok(())
        },
    },
    ProgramOption {
        name: "cmdhelp",
        short: Some('c'),
        value: Takes::Maybe(Form::Text),
        help: "Print help of a job option, or a list of all",
        set: |invocation, value| {
            let name = Some(value.text.to_owned()).filter(|name| !name.is_empty() && name != "all");
            invocation.print = Some(Print::Option(name));
            Ok(())
        },
    },
    ProgramOption {
        name: "version",
        short: Some('v'),
        value: Takes::Nothing,
        help: "Print the version",
        set: |invocation, _| {
            invocation.print = Some(Print::Version);
            Ok(())
        },
    },
    ProgramOption {
        name: "completions",
        short: None,
        value: Takes::Value(Form::Choice(&["bash", "zsh", "fish"])),
        help: "Print completions for a shell",
        set: |invocation, value| {
            let shell = value.choice(&[
                ("bash", Shell::Bash),
                ("zsh", Shell::Zsh),
                ("fish", Shell::Fish),
            ])?;
            invocation.print = Some(Print::Completions(shell));
            Ok(())
        },
    },
    ProgramOption {
        name: "man",
        short: None,
        value: Takes::Nothing,
        help: "Print the manual page",
        set: |invocation, _| {
            invocation.print = Some(Print::Manual);
            Ok(())
        },
    },
    refused!("client", "bffio measures the machine it runs on; start it there"),
    refused!("server", "bffio measures the machine it runs on; start it there"),
    refused!("daemonize", "start it with setsid or systemd-run"),
    refused!("remote-config", "bffio measures the machine it runs on; name the job file"),
    refused!("idle-prof", "use mpstat or perf beside the run"),
    refused!("inflate-log", "logs are not compressed"),
    refused!("trigger-file", "end the run with SIGINT"),
    refused!("trigger-timeout", "end the run with runtime or SIGINT"),
    refused!("trigger", "use exec_postrun"),
    refused!("trigger-remote", "use exec_postrun"),
    refused!("merge-blktrace-only", "traces are not replayed"),
    refused!("profile", "write the jobs out in a job file"),
    refused!("crctest", "bffio tests storage only"),
    refused!("cpuclock-test", "bffio tests storage only"),
    refused!("showcmd", "--parse-only checks a job file"),
    refused!("enghelp", "every engine is Aura's; --cmdhelp lists the options"),
    refused!("debug", "use strace or perf"),
];

/// Below this a progress line costs more than it tells.
const ETA_INTERVAL_MIN: Duration = Duration::from_millis(10);

/// The option of this name; `-` and `_` are the same.
pub(super) fn find(name: &str) -> Option<&'static ProgramOption> {
    let plain = name.replace('_', "-");
    OPTIONS.iter().find(|option| option.name == plain)
}

/// The option of this letter.
pub(super) fn find_short(letter: char) -> Option<&'static ProgramOption> {
    OPTIONS.iter().find(|option| option.short == Some(letter))
}

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

/// At least a second, as fio has it.
fn period(value: Value<'_>) -> Result<Duration, Problem> {
    let period = value.duration(TimeUnit::Seconds)?;
    if period < Duration::from_secs(1) {
        Err("must be a second at least".to_owned())
    } else {
        Ok(period)
    }
}
