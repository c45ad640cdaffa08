//! Reports in fio's formats.
//!
//! | module | what lives there |
//! | --- | --- |
//! | `entry` | what is reported together: a worker, or a group of them |
//! | `json` | JSON and json+; the `AuraIO` section |
//! | `layout` | how fio lays its JSON out |
//! | `steady` | the steady state of an entry |
//! | `terse` | semicolons, version 3 |
//! | `text` | what people read |
//! | `units` | numbers with prefixes |

mod aura;
mod entry;
mod json;
mod layout;
mod steady;
mod terse;
mod text;
mod units;

use std::io::{self, Write};

use crate::job::Format;
use crate::run::Outcome;

/// What reports call the program: fio's version whose formats these are, then ours.
pub const VERSION: &str = concat!("fio-3.33-bffio-", env!("CARGO_PKG_VERSION"));

/// Writes the reports that the plan asks for, in its order.
///
/// # Errors
///
/// What `out` says.
pub fn write(outcome: &Outcome, out: &mut dyn Write) -> io::Result<()> {
    let entries = entry::of(outcome);
    let settings = &outcome.plan.settings;
    for format in &settings.formats {
        match format {
            Format::Normal => text::write(outcome, &entries, out)?,
            Format::Terse => terse::write(outcome, &entries, out)?,
            Format::Json => json::write(outcome, &entries, false, out)?,
            Format::JsonPlus => json::write(outcome, &entries, true, out)?,
        }
    }
    if settings.append_terse && !settings.formats.contains(&Format::Terse) {
        terse::write(outcome, &entries, out)?;
    }
    out.flush()
}
