//! Writing JSON.

use std::path::Path;

use serde::Serialize;

use crate::Error;

/// Writes a report to a file, readable and with a newline at its end.
///
/// # Errors
///
/// The file's name and why it could not be written.
pub fn write_json<T: Serialize>(file: &Path, report: &T) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(report)? + "\n";
    std::fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()).into())
}
