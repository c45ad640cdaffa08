//! How an option of the program is described, and what such options ask for.

use std::time::Duration;

use super::expression::Problem;
use super::spec::Form;
use super::table::PROGRAM_OPTIONS;
use super::value::Value;
use crate::job::{Eta, Format, Settings};

/// One option of the program.
#[derive(Clone, Copy)]
pub(crate) struct ProgramOption {
    pub(crate) name: &'static str,
    pub(crate) short: Option<char>,
    pub(crate) value: Takes,
    pub(crate) help: &'static str,
    pub(super) effect: ProgramEffect,
}

/// What an option of the program does.
#[derive(Clone, Copy)]
pub(super) enum ProgramEffect {
    Set(fn(&mut Invocation, Value<'_>) -> Result<(), Problem>),
    /// fio has it, bffio has not; what to do instead.
    Refused(&'static str),
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

impl ProgramOption {
    pub(super) const fn new(
        name: &'static str,
        value: Takes,
        help: &'static str,
        set: fn(&mut Invocation, Value<'_>) -> Result<(), Problem>,
    ) -> Self {
        Self { name, short: None, value, help, effect: ProgramEffect::Set(set) }
    }

    pub(super) const fn refused(name: &'static str, remedy: &'static str) -> Self {
        let value = Takes::Maybe(Form::Text);
        Self {
            name,
            short: None,
            value,
            help: "Not supported",
            effect: ProgramEffect::Refused(remedy),
        }
    }

    pub(super) const fn short(self, letter: char) -> Self {
        Self { short: Some(letter), ..self }
    }

    pub(crate) const fn is_refused(&self) -> bool {
        matches!(self.effect, ProgramEffect::Refused(_))
    }

    pub(super) fn apply(
        &self,
        invocation: &mut Invocation,
        value: Value<'_>,
    ) -> Result<(), Problem> {
        match self.effect {
            ProgramEffect::Set(set) => set(invocation, value),
            ProgramEffect::Refused(remedy) => Err(format!("not supported: {remedy}")),
        }
    }
}

/// The option of this name; `-` and `_` are the same.
pub(super) fn find(name: &str) -> Option<&'static ProgramOption> {
    let plain = name.replace('_', "-");
    PROGRAM_OPTIONS.iter().find(|option| option.name == plain)
}

/// The option of this letter.
pub(super) fn find_short(letter: char) -> Option<&'static ProgramOption> {
    PROGRAM_OPTIONS.iter().find(|option| option.short == Some(letter))
}
