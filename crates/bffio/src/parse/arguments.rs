//! The command line: options of the program, options of jobs (`--name` begins one), job files.

use std::path::PathBuf;

use super::Error;
use super::expression::Problem;
use super::ini;
use super::plan::plan;
use super::program::{self, Invocation, Print, ProgramOption, Takes};
use super::sections::{self, Found, Sections};
use super::spec::{Form, Spec};
use super::suggest::nearest;
use super::table;
use super::value::Value;
use crate::job::{Eta, Plan};

/// Place of an error in an option that has its name in the message.
const COMMAND_LINE: &str = "command line";

/// What a command line asks for.
#[derive(Clone, Debug)]
pub enum Request {
    /// Run the jobs.
    Run(Plan),
    /// `--parse-only`: everything is well.
    Checked(Plan),
    /// Print something.
    Print(Print),
}

/// Reads a command line (without the program's name) and the job files it names.
///
/// # Errors
///
/// Unknown options (with the nearest name), values that make no sense, contradictions, files that cannot
/// be read. Nothing was written and no job file touched.
pub fn command_line<A: Into<String>>(
    arguments: impl IntoIterator<Item = A>,
) -> Result<Request, Error> {
    let mut reader = Reader {
        rest: arguments.into_iter().map(Into::into).collect::<Vec<_>>().into_iter().peekable(),
        invocation: Invocation::new(),
        jobs: Vec::new(),
        files: Vec::new(),
    };
    while let Some(argument) = reader.rest.next() {
        reader.argument(&argument)?;
    }
    reader.finish()
}

/// A command line being read.
struct Reader {
    rest: std::iter::Peekable<std::vec::IntoIter<String>>,
    invocation: Invocation,
    /// Options of jobs in their order; each begins with `--name`, the first may be `[global]`.
    jobs: Vec<ArgumentSection>,
    files: Vec<PathBuf>,
}

/// Options up to the next `--name`.
struct ArgumentSection {
    name: String,
    options: Vec<Found>,
}

impl Reader {
    fn argument(&mut self, argument: &str) -> Result<(), Error> {
        if argument == "--" {
            self.files.extend(self.rest.by_ref().map(PathBuf::from));
            return Ok(());
        }
        let Some(option) = argument.strip_prefix('-').filter(|option| !option.is_empty()) else {
            self.files.push(PathBuf::from(argument));
            return Ok(());
        };
        let option = option.strip_prefix('-').unwrap_or(option);
        let (name, value) = match option.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (option, None),
        };
        if let Some(option) = program::find(name) {
            return self.program_option(option, argument, value);
        }
        if let Some(spec) = table::find(name) {
            return self.job_option(spec, name, argument, value);
        }
        let mut letters = name.chars();
        if let (Some(letter), false) = (letters.next(), argument.starts_with("--"))
            && let Some(option) = program::find_short(letter)
        {
            // `-ofile`, `-o file`, `-o=file`.
            let attached = Some(letters.as_str().to_owned()).filter(|rest| !rest.is_empty());
            return self.program_option(option, argument, value.or(attached));
        }
        Err(unknown(name, argument))
    }

    fn program_option(
        &mut self,
        option: &ProgramOption,
        argument: &str,
        value: Option<String>,
    ) -> Result<(), Error> {
        let text = match (option.value, value) {
            (Takes::Nothing, Some(_)) => return Err(Error::at(argument, "takes no value")),
            (Takes::Nothing | Takes::Maybe(_), None) => String::new(),
            (_, Some(value)) => value,
            (Takes::Value(form), None) => self.next_value(option.name, argument, form)?,
        };
        let value = Value { text: text.trim(), kb_base: 1024 };
        option
            .apply(&mut self.invocation, value)
            .map_err(|problem| at_argument(argument, &text, problem))
    }

    fn job_option(
        &mut self,
        spec: &'static Spec,
        name: &str,
        argument: &str,
        value: Option<String>,
    ) -> Result<(), Error> {
        let text = match value {
            Some(value) => value,
            None => match spec.form {
                Form::Flag => String::new(),
                // As fio reads `--write_bw_log name`; alone it is a log with the job's name.
                Form::OptionalText => {
                    self.rest.next_if(|next| !next.starts_with('-')).unwrap_or_default()
                }
                form => self.next_value(spec.name, argument, form)?,
            },
        };
        if spec.name == "name" {
            self.jobs.push(ArgumentSection { name: text.clone(), options: Vec::new() });
        } else if self.jobs.is_empty() {
            self.jobs.push(ArgumentSection { name: "global".to_owned(), options: Vec::new() });
        }
        let section = self.jobs.last_mut().expect("one was pushed if there was none");
        section.options.push(Found {
            place: COMMAND_LINE.to_owned(),
            name: name.to_owned(),
            value: text,
        });
        Ok(())
    }

    fn next_value(&mut self, name: &str, argument: &str, form: Form) -> Result<String, Error> {
        self.rest.next().ok_or_else(|| {
            Error::at(argument, format!("a value is missing; write --{name}={}", form.metavar()))
        })
    }

    fn finish(self) -> Result<Request, Error> {
        if let Some(print) = self.invocation.print {
            return check_print(print).map(Request::Print);
        }
        let mut sections = Sections::new(self.invocation.sections);
        for section in &self.jobs {
            let place = format!("--name={}", section.name);
            // `--name=global` is a section for all that follow, and its name is no option of theirs.
            let options = if sections::is_global(&section.name) && section.options[0].name == "name"
            {
                &section.options[1..]
            } else {
                &section.options[..]
            };
            sections.add(&section.name, &place, options)?;
        }
        for file in &self.files {
            sections.add_file(&ini::read(file)?)?;
        }
        let mut settings = self.invocation.settings;
        if settings.live {
            settings.eta = Eta::Never; // the screen shows it
        }
        let plan = plan(sections, settings)?;
        if let (true, Some(note)) = (self.invocation.warnings_fatal, plan.notes.first()) {
            return Err(Error::at("--warnings-fatal", note.clone()));
        }
        check_worker_count(&plan, self.invocation.worker_count_max)?;
        Ok(if self.invocation.parse_only { Request::Checked(plan) } else { Request::Run(plan) })
    }
}

/// `--cmdhelp` of an option there is.
fn check_print(print: Print) -> Result<Print, Error> {
    if let Print::Option(Some(name)) = &print {
        sections::find(name, "--cmdhelp")?;
    }
    Ok(print)
}

fn check_worker_count(plan: &Plan, max: Option<u32>) -> Result<(), Error> {
    let count: u64 = plan.jobs.iter().map(|job| u64::from(job.worker_count)).sum();
    match max {
        Some(max) if count > u64::from(max) => {
            Err(Error::at("--max-jobs", format!("the jobs have {count} workers, more than {max}")))
        }
        _ => Ok(()),
    }
}

fn at_argument(argument: &str, text: &str, problem: Problem) -> Error {
    let written =
        if argument.contains('=') || text.is_empty() { String::new() } else { format!(" {text}") };
    Error::at(&format!("{argument}{written}"), problem)
}

fn unknown(name: &str, argument: &str) -> Error {
    let names = table::options()
        .flat_map(table::names)
        .chain(table::PROGRAM_OPTIONS.iter().map(|option| option.name));
    let hint = nearest(name, names)
        .map(|name| format!("; did you mean \"--{name}\"?"))
        .unwrap_or_default();
    Error::at(argument, format!("unknown option{hint}"))
}
