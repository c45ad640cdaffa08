//! Options about files: which, how large, how opened and kept.

use std::path::PathBuf;

use super::super::expression::Problem;
use super::super::spec::{Form, Spec};
use super::super::value::Value;
use crate::job::{FileChoice, NextFile, SyncMode};

const CHOICES: &[&str] =
    &["roundrobin", "sequential", "random", "zipf", "pareto", "normal", "gauss"];

pub(super) const OPTIONS: &[Spec] = &[
    Spec::new(
        "filename",
        Form::Path,
        "Files or devices, with a colon between them",
        |draft, value| {
            draft.job.files.names = paths(value.text()?);
            if draft.job.files.names.iter().any(|name| name.as_os_str() == "-") {
                return Err(
                    "standard input and output are no target; name a file or device".to_owned()
                );
            }
            Ok(())
        },
    ),
    Spec::new(
        "directory",
        Form::Path,
        "Where the files are; workers take several in turn",
        |draft, value| {
            draft.job.files.directories = paths(value.text()?);
            Ok(())
        },
    ),
    Spec::new("filename_format", Form::Text, "How generated files are called", |draft, value| {
        value.text()?.clone_into(&mut draft.job.files.name_format);
        Ok(())
    }),
    Spec::new("nrfiles", Form::Count, "Files per worker", |draft, value| {
        draft.job.files.count = value.count(1..=1_000_000)?;
        Ok(())
    })
    .alias(&["nr_files"]),
    Spec::new(
        "file_service_type",
        Form::Choice(CHOICES),
        "Which file comes next; with :N after so many I/Os",
        |draft, value| {
            draft.job.files.next = next_file(value)?;
            Ok(())
        },
    ),
    Spec::new(
        "size",
        Form::Amount,
        "What a worker works on, all its files together",
        |draft, value| {
            draft.job.files.size = Some(value.amount()?);
            Ok(())
        },
    ),
    Spec::new(
        "io_size",
        Form::Amount,
        "What a worker transfers, if that is not size",
        |draft, value| {
            draft.job.files.io_size = Some(value.amount()?);
            Ok(())
        },
    )
    .alias(&["io_limit"]),
    Spec::new("filesize", Form::Text, "Size of each file, or a range of sizes", |draft, value| {
        draft.job.files.file_bytes = Some(value.range(Value::bytes_positive)?);
        Ok(())
    }),
    Spec::new("offset", Form::Amount, "Where the range begins in each file", |draft, value| {
        draft.job.files.offset = value.amount()?;
        Ok(())
    })
    .alias(&["fileoffset"]),
    Spec::new(
        "offset_increment",
        Form::Amount,
        "Added to offset once per number of the worker",
        |draft, value| {
            draft.job.files.offset_increment = value.amount()?;
            Ok(())
        },
    ),
    Spec::new(
        "offset_align",
        Form::Bytes,
        "Offsets are rounded up to a multiple of this",
        |draft, value| {
            draft.job.files.offset_align_bytes = Some(value.bytes()?).filter(|bytes| *bytes > 0);
            Ok(())
        },
    ),
    Spec::new("direct", Form::Bool, "Bypass the page cache (O_DIRECT)", |draft, value| {
        draft.job.files.direct = value.boolean()?;
        Ok(())
    }),
    Spec::new("buffered", Form::Bool, "The opposite of direct", |draft, value| {
        draft.job.files.direct = !value.boolean()?;
        Ok(())
    }),
    Spec::new(
        "sync",
        Form::Choice(&["none", "sync", "dsync", "0", "1"]),
        "Synchronous writes",
        |draft, value| {
            draft.job.files.sync = value.choice(&[
                ("none", SyncMode::None),
                ("0", SyncMode::None),
                ("sync", SyncMode::Sync),
                ("1", SyncMode::Sync),
                ("dsync", SyncMode::Dsync),
            ])?;
            Ok(())
        },
    ),
    Spec::new("fsync", Form::Count, "fsync after so many writes", |draft, value| {
        draft.job.files.fsync_every = value.count(0..=u32::MAX)?;
        Ok(())
    }),
    Spec::new("fdatasync", Form::Count, "fdatasync after so many writes", |draft, value| {
        draft.job.files.fdatasync_every = value.count(0..=u32::MAX)?;
        Ok(())
    }),
    Spec::new("end_fsync", Form::Bool, "fsync when the job ends", |draft, value| {
        draft.job.files.end_fsync = value.boolean()?;
        Ok(())
    }),
    Spec::new("fsync_on_close", Form::Bool, "fsync when a file is closed", |draft, value| {
        draft.job.files.fsync_on_close = value.boolean()?;
        Ok(())
    }),
    Spec::new("create_fsync", Form::Bool, "fsync files after laying them out", |draft, value| {
        draft.job.files.create_fsync = value.boolean()?;
        Ok(())
    }),
    Spec::new(
        "create_only",
        Form::Bool,
        "Lay out the files and do nothing else",
        |draft, value| {
            draft.job.files.create_only = value.boolean()?;
            Ok(())
        },
    ),
    Spec::new("allow_file_create", Form::Bool, "Missing files are created", |draft, value| {
        draft.job.files.may_create = value.boolean()?;
        Ok(())
    }),
    Spec::new(
        "allow-overwrite",
        Form::Flag,
        "Write to devices, and to files with data of others (not in fio)",
        |draft, value| {
            draft.job.files.may_overwrite = value.flag()?;
            Ok(())
        },
    ),
    Spec::new(
        "overwrite",
        Form::Bool,
        "Lay files out before they are written to",
        |draft, value| {
            draft.job.files.overwrite = value.boolean()?;
            Ok(())
        },
    ),
    Spec::new("fill_device", Form::Bool, "Write until the space is used up", |draft, value| {
        draft.job.files.fill_device = value.boolean()?;
        Ok(())
    })
    .alias(&["fill_fs"]),
    Spec::new("file_append", Form::Bool, "Begin at the end of the files", |draft, value| {
        draft.job.files.append = value.boolean()?;
        Ok(())
    }),
    Spec::new(
        "invalidate",
        Form::Bool,
        "Drop the files' pages from the cache before the job",
        |draft, value| {
            draft.job.files.invalidate = value.boolean()?;
            Ok(())
        },
    ),
    Spec::new(
        "pre_read",
        Form::Bool,
        "Read the files into the cache before the job",
        |draft, value| {
            draft.job.files.pre_read = value.boolean()?;
            Ok(())
        },
    ),
    Spec::new("unlink", Form::Bool, "Remove created files when the job ends", |draft, value| {
        draft.job.files.unlink = value.boolean()?;
        Ok(())
    }),
    Spec::new(
        "unlink_each_loop",
        Form::Bool,
        "Remove created files after each loop",
        |draft, value| {
            draft.job.files.unlink_each_loop = value.boolean()?;
            Ok(())
        },
    ),
];

/// Names with colons between them; `\:` is a colon within a name.
fn paths(text: &str) -> Vec<PathBuf> {
    let mut names = vec![String::new()];
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' if characters.peek() == Some(&':') => {
                names.last_mut().expect("one to begin with").extend(characters.next())
            }
            ':' => names.push(String::new()),
            other => names.last_mut().expect("one to begin with").push(other),
        }
    }
    names.into_iter().filter(|name| !name.is_empty()).map(PathBuf::from).collect()
}

/// `choice[:ios]`, or `zipf:theta[:ios]` and the like.
fn next_file(value: Value<'_>) -> Result<NextFile, Problem> {
    let mut parts = value.split(':');
    let name = parts.next().unwrap_or(value);
    let mut argument = |default: f64| match parts.next() {
        Some(part) if !part.text.is_empty() => part.fraction(0.0..=f64::MAX),
        _ => Ok(default),
    };
    let choice = match name.text()? {
        "roundrobin" => FileChoice::RoundRobin,
        "sequential" => FileChoice::Sequential,
        "random" => FileChoice::Random,
        "zipf" => match argument(1.1)? {
            1.0 => return Err("zipf's theta must not be 1".to_owned()),
            theta => FileChoice::Zipf(theta),
        },
        "pareto" => match argument(0.2)? {
            h if h > 0.0 && h < 1.0 => FileChoice::Pareto(h),
            h => return Err(format!("pareto's power must be between 0 and 1, not {h}")),
        },
        "normal" | "gauss" => FileChoice::Normal(argument(0.0)?),
        _ => return Err(format!("write one of {}", CHOICES.join(", "))),
    };
    let ios = match parts.next() {
        Some(part) => part.count(1..=u32::MAX)?,
        None => 1,
    };
    Ok(NextFile { choice, ios })
}

#[cfg(test)]
mod tests {
    use super::paths;

    #[test]
    fn colons_separate_names_unless_escaped() {
        let names: Vec<_> =
            paths(r"/a:b\:c:").into_iter().map(|path| path.display().to_string()).collect();
        assert_eq!(names, ["/a", "b:c"]);
    }
}
