//! Help, manual page and completions, all made from the tables of options.

use std::io::{self, Write};

use clap::builder::{PossibleValuesParser, ValueHint};
use clap::{Arg, ArgAction, Command};
use clap_complete::aot;

use crate::parse::program::{ProgramOption, Takes};
use crate::parse::spec::{Form, Spec};
use crate::parse::{Print, Shell, table};

const ABOUT: &str =
    "Measures storage as fio does, and finds the depth for a latency target by itself";

const EXAMPLES: &str = "\
Examples:
  bffio job.fio
      Run the jobs of a file.
  bffio --name=seek --filename=/data/test --size=4g --rw=randread --direct=1 --iodepth=32 --runtime=10 --time_based
      Run one job. A file that is missing is laid out with random data.
  bffio --name=seek --filename=/data/test --size=4g --rw=randread --direct=1 --target-p99=2ms
      Find the most that this file can do while 99 % of the reads take no longer than 2 ms.
  bffio job.fio --sweep=1,4,16,64 --plot=sweep.svg
      Run the jobs at four depths and draw throughput over latency.
  bffio job.fio --output-format=json+ --output=result.json
      Write what scripts made for fio read.
  bffio --parse-only job.fio
      Check a job file.
  bffio --cmdhelp=iodepth
      Explain an option.

Options of jobs before the first --name, or in [global], count for all jobs that follow.
Units are written 4k, 16m, 2g and 10s, 5m, 2ms, 100us.";

/// Prints what was asked for.
///
/// # Errors
///
/// Those of `out`.
pub fn print(what: &Print, out: &mut dyn Write) -> io::Result<()> {
    match what {
        Print::Help => write!(out, "{}", command().render_help()),
        Print::Version => writeln!(out, "bffio-{}", env!("CARGO_PKG_VERSION")),
        Print::Option(None) => {
            table::TOPICS.iter().try_for_each(|(topic, options)| print_topic(topic, options, out))
        }
        Print::Option(Some(name)) => match table::find(name) {
            Some(spec) => print_option(spec, out),
            None => writeln!(out, "{name}: unknown option"),
        },
        Print::Completions(shell) => {
            let shell = match shell {
                Shell::Bash => aot::Shell::Bash,
                Shell::Zsh => aot::Shell::Zsh,
                Shell::Fish => aot::Shell::Fish,
            };
            // The generator panics if it cannot write; memory it always can.
            let mut script = Vec::new();
            aot::generate(shell, &mut command(), "bffio", &mut script);
            out.write_all(&script)
        }
        Print::Manual => clap_mangen::Man::new(command()).render(out),
    }
}

fn print_topic(topic: &str, options: &[Spec], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{topic}")?;
    options.iter().try_for_each(|spec| writeln!(out, "  {:<28}{}", spec.name, spec.help))
}

fn print_option(spec: &Spec, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}={}", spec.name, spec.form.metavar())?;
    writeln!(out, "  {}", spec.remedy().unwrap_or(spec.help))?;
    if !spec.aliases.is_empty() {
        writeln!(out, "  Also written: {}", spec.aliases.join(", "))?;
    }
    if spec.is_valueless() {
        writeln!(out, "  May stand without a value")?;
    }
    Ok(())
}

/// The command line as clap describes one. It is read by [`parse`](crate::parse), because fio's order of
/// options has a meaning that clap has no words for.
fn command() -> Command {
    let mut command = Command::new("bffio")
        .about(ABOUT)
        .after_help(EXAMPLES)
        .after_long_help(EXAMPLES)
        .override_usage("bffio [OPTIONS] [JOB FILE]...\n       bffio [OPTIONS] --name=JOB [OPTIONS OF THE JOB]... [--name=...]")
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_flag(true)
        .disable_version_flag(true)
        .arg(Arg::new("jobfile").value_name("JOB FILE").num_args(0..).value_hint(ValueHint::FilePath).help(
            "Job files, run one after the other; - is standard input",
        ));
    for option in table::PROGRAM_OPTIONS.iter().filter(|option| !option.is_refused()) {
        command = command.arg(program_argument(option));
    }
    for (topic, options) in table::TOPICS {
        for spec in options.iter().filter(|spec| spec.remedy().is_none()) {
            command = command.arg(job_argument(spec).help_heading(topic));
        }
    }
    command
}

fn program_argument(option: &ProgramOption) -> Arg {
    let argument = Arg::new(option.name).long(option.name).help(option.help);
    let argument = match option.short {
        Some(letter) => argument.short(letter),
        None => argument,
    };
    match option.value {
        Takes::Nothing => argument.action(ArgAction::SetTrue),
        Takes::Maybe(form) => valued(argument, form).num_args(0..=1).require_equals(true),
        Takes::Value(form) => valued(argument, form),
    }
}

fn job_argument(spec: &Spec) -> Arg {
    let argument = Arg::new(spec.name).long(spec.name).help(spec.help);
    let argument =
        argument.hide(!spec.is_implemented()).visible_aliases(spec.aliases.iter().copied());
    if spec.is_valueless() {
        valued(argument, spec.form).num_args(0..=1).require_equals(true)
    } else {
        valued(argument, spec.form)
    }
}

fn valued(argument: Arg, form: Form) -> Arg {
    let argument = argument.value_name(form.metavar()).action(ArgAction::Append);
    match form {
        Form::Choice(words) => {
            argument.value_parser(PossibleValuesParser::new(words)).hide_possible_values(true)
        }
        Form::Path => argument.value_hint(ValueHint::AnyPath),
        _ => argument,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(what: &Print) -> String {
        let mut out = Vec::new();
        print(what, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_description_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn help_shows_what_is_implemented_and_how_it_is_used() {
        let help = printed(&Print::Help);
        for expected in [
            "Examples:",
            "--target-p99",
            "--output-format",
            "--random_distribution",
            "--sweep",
            "rwmixread",
        ] {
            assert!(help.contains(expected), "{expected}");
        }
        assert!(!help.contains("zonemode"), "refused options are not offered");
    }

    #[test]
    fn each_option_can_be_explained() {
        let all = printed(&Print::Option(None));
        assert!(all.contains("zonemode") && all.contains("refill_buffers"));
        let depth = printed(&Print::Option(Some("iodepth".to_owned())));
        assert!(depth.starts_with("iodepth=N"), "{depth}");
        assert!(printed(&Print::Option(Some("zonemode".to_owned()))).contains("zoned devices"));
    }

    #[test]
    fn shells_and_man_get_their_own() {
        assert!(printed(&Print::Manual).contains(".TH bffio"));
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = printed(&Print::Completions(shell));
            assert!(script.contains("randwrite") && script.contains("rwmixread"), "{shell:?}");
        }
    }
}
