//! How an option is described, and how it is found.

use super::draft::Draft;
use super::expression::Problem;
use super::value::{TimeUnit, Value};

/// One option of jobs.
#[derive(Clone, Copy)]
pub(crate) struct Spec {
    pub(crate) name: &'static str,
    pub(crate) aliases: &'static [&'static str],
    pub(crate) form: Form,
    pub(crate) help: &'static str,
    pub(super) effect: Effect,
}

/// What a value looks like; decides how help shows it, and how the value of an option without effect is
/// checked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    /// Nothing, 1 or 0.
    Flag,
    /// 1 or 0.
    Bool,
    /// A whole number.
    Count,
    /// A size.
    Bytes,
    /// A size or percentage.
    Amount,
    /// A time.
    Time,
    /// Any number.
    Number,
    /// One of these words, perhaps with something after a colon.
    Choice(&'static [&'static str]),
    /// A path.
    Path,
    /// Anything else.
    Text,
    /// As `Text`, or nothing.
    OptionalText,
}

/// What an option does.
#[derive(Clone, Copy)]
pub(super) enum Effect {
    /// Changes the draft.
    Set(fn(&mut Draft, Value<'_>) -> Result<(), Problem>),
    /// Nothing: it cannot change what is measured here. The user is told.
    Ignored,
    /// It would change what is measured, and is not implemented; with a remedy.
    Refused(&'static str),
}

impl Spec {
    pub(super) const fn new(
        name: &'static str,
        form: Form,
        help: &'static str,
        set: fn(&mut Draft, Value<'_>) -> Result<(), Problem>,
    ) -> Self {
        Self { name, aliases: &[], form, help, effect: Effect::Set(set) }
    }

    pub(super) const fn ignored(name: &'static str, form: Form) -> Self {
        Self { name, aliases: &[], form, help: "Accepted without effect", effect: Effect::Ignored }
    }

    pub(super) const fn refused(name: &'static str, remedy: &'static str) -> Self {
        Self {
            name,
            aliases: &[],
            form: Form::OptionalText,
            help: "Not supported",
            effect: Effect::Refused(remedy),
        }
    }

    pub(super) const fn alias(self, aliases: &'static [&'static str]) -> Self {
        Self { aliases, ..self }
    }

    /// Whether the option may stand without a value.
    pub(crate) const fn is_valueless(&self) -> bool {
        matches!(self.form, Form::Flag | Form::OptionalText)
    }

    /// Whether the option does what it says.
    pub(crate) const fn is_implemented(&self) -> bool {
        matches!(self.effect, Effect::Set(_))
    }

    /// Why the option is refused and what to do instead, if it is.
    pub(crate) const fn remedy(&self) -> Option<&'static str> {
        match self.effect {
            Effect::Refused(remedy) => Some(remedy),
            _ => None,
        }
    }

    /// Gives the draft the value, or checks the value of an option without effect.
    pub(super) fn apply(&'static self, draft: &mut Draft, value: Value<'_>) -> Result<(), Problem> {
        if value.text.is_empty() && !self.is_valueless() {
            return Err(format!("a value is missing; write {}={}", self.name, self.form.metavar()));
        }
        match self.effect {
            Effect::Set(set) => set(draft, value),
            Effect::Ignored => {
                self.form.check(value)?;
                if !draft.job.ignored.contains(&self.name) {
                    draft.job.ignored.push(self.name);
                }
                Ok(())
            }
            Effect::Refused(_) if matches!(value.text, "0" | "none") => Ok(()),
            Effect::Refused(remedy) => Err(format!("not supported: {remedy}")),
        }
    }
}

impl Form {
    /// How help shows the value.
    pub(crate) fn metavar(&self) -> String {
        match self {
            Self::Flag | Self::Bool => "0|1".to_owned(),
            Self::Count => "N".to_owned(),
            Self::Bytes => "SIZE".to_owned(),
            Self::Amount => "SIZE|PERCENT%".to_owned(),
            Self::Time => "TIME".to_owned(),
            Self::Number => "NUMBER".to_owned(),
            Self::Choice(words) => words.join("|"),
            Self::Path => "PATH".to_owned(),
            Self::Text | Self::OptionalText => "TEXT".to_owned(),
        }
    }

    fn check(&self, value: Value<'_>) -> Result<(), Problem> {
        match self {
            Self::Flag => value.flag().map(drop),
            Self::Bool => value.boolean().map(drop),
            Self::Count => value.integer().map(drop),
            Self::Bytes => value.bytes().map(drop),
            Self::Amount => value.amount().map(drop),
            Self::Time => value.duration(TimeUnit::Seconds).map(drop),
            Self::Number => value.fraction(f64::MIN..=f64::MAX).map(drop),
            Self::Choice(words) => {
                let word = value.text.split(':').next().unwrap_or_default();
                if words.contains(&word) {
                    Ok(())
                } else {
                    Err(format!("write one of {}", words.join(", ")))
                }
            }
            Self::Path | Self::Text | Self::OptionalText => Ok(()),
        }
    }
}
