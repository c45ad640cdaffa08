//! Sizes and offsets of a worker's files, resolved against what is there.

use std::fs;
use std::io::{Seek, SeekFrom};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::job::{Amount, Direction, Job};
use crate::run::Error;

/// What a path leads to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum FileKind {
    /// Nothing yet.
    #[default]
    Missing,
    /// A file.
    Regular,
    /// A disk, a partition, a volume.
    Block,
    /// `/dev/null`, `/dev/zero`, `/dev/full`: endless, and nothing can be destroyed there.
    Endless,
}

/// The part of a file that a worker works on.
#[derive(Clone, Debug)]
pub(crate) struct FileRange {
    pub(crate) path: PathBuf,
    pub(crate) kind: FileKind,
    /// How large the file was when the run was prepared.
    pub(crate) present_bytes: u64,
    /// Where the range begins.
    pub(crate) start_bytes: u64,
    /// How long it is.
    pub(crate) length_bytes: u64,
}

/// The ranges of a worker.
///
/// # Errors
///
/// A size or offset that cannot be known or does not fit; a path that leads to something else than
/// data.
pub(super) fn resolve(job: &Job, number: u32, paths: &[PathBuf]) -> Result<Vec<FileRange>, Error> {
    let mut ranges = Vec::with_capacity(paths.len());
    for (index, path) in paths.iter().enumerate() {
        let (kind, present_bytes) = inspect(path)?;
        if kind == FileKind::Missing && !job.files.may_create {
            return Err(Error::new(format!(
                "{}: {} does not exist, and allow_file_create=0 forbids to create it",
                job.name,
                path.display()
            )));
        }
        let count = paths.len() as u64;
        let whole_bytes = whole_bytes(job, present_bytes, (number, index), count);
        let file = Resolving { job, path, present_bytes, whole_bytes, kind, count };
        let start_bytes = file.start(number)?;
        let length_bytes = file.length(start_bytes)?;
        ranges.push(FileRange {
            path: path.clone(),
            kind,
            present_bytes,
            start_bytes,
            length_bytes,
        });
    }
    Ok(ranges)
}

/// What a worker transfers in one loop, given what all its ranges hold.
pub(super) fn io_bytes(job: &Job, total_bytes: u64) -> u64 {
    match job.files.io_size {
        Some(Amount::Bytes(bytes)) => bytes,
        Some(Amount::Percent(percent)) => share(total_bytes, percent),
        None => match (job.files.size, job.files.file_bytes) {
            // With sizes of files given, `size=` is how much of that is transferred.
            (Some(Amount::Bytes(bytes)), Some(_)) => bytes.min(total_bytes),
            _ => total_bytes,
        },
    }
}

/// How large a file is, or is going to be; 0 if that depends on more. Percentages are shares of it.
fn whole_bytes(job: &Job, present_bytes: u64, (number, index): (u32, usize), count: u64) -> u64 {
    match (job.files.file_bytes, job.files.size) {
        (Some((min, max)), _) if (min..=max).contains(&present_bytes) => present_bytes,
        (Some((min, max)), _) => drawn_between(min, max, number, index),
        (None, Some(Amount::Bytes(bytes))) if present_bytes == 0 => bytes / count,
        _ => present_bytes,
    }
}

struct Resolving<'j> {
    job: &'j Job,
    path: &'j Path,
    kind: FileKind,
    present_bytes: u64,
    whole_bytes: u64,
    /// Files of the worker.
    count: u64,
}

impl Resolving<'_> {
    fn start(&self, number: u32) -> Result<u64, Error> {
        let files = &self.job.files;
        let offset = self.bytes_of(files.offset, "offset")?;
        let increment = self.bytes_of(files.offset_increment, "offset_increment")?;
        let start = offset + increment * u64::from(number);
        let start = if files.append { start + self.present_bytes } else { start };
        Ok(files.offset_align_bytes.map_or(start, |align| start.next_multiple_of(align.max(1))))
    }

    fn length(&self, start: u64) -> Result<u64, Error> {
        let files = &self.job.files;
        let is_fixed = matches!(self.kind, FileKind::Block);
        let rest = self.present_bytes.saturating_sub(start);
        let rest_of_whole = self.whole_bytes.saturating_sub(start);
        let length = match (files.file_bytes, files.size) {
            (_, Some(percent @ Amount::Percent(_))) => {
                self.bytes_of(percent, "size")?.min(rest_of_whole)
            }
            (Some(_), _) => rest_of_whole,
            (None, Some(Amount::Bytes(bytes))) => bytes / self.count,
            (None, None) if files.fill_device => self.space_left()?,
            (None, None) if rest > 0 => rest,
            (None, None) => {
                return Err(self.error(
                    "how much to work on is not known: give size=, or a file that holds data beyond \
                     offset=",
                ));
            }
        };
        let length = if is_fixed { length.min(rest) } else { length };
        let block_bytes = self.block_bytes();
        if length < block_bytes {
            return Err(self.error(&format!(
                "{length} bytes to work on have no room for one block of {block_bytes}; give a \
                 larger size= or a smaller bs="
            )));
        }
        Ok(length)
    }

    /// The smallest block of any direction in use.
    fn block_bytes(&self) -> u64 {
        let pattern = &self.job.pattern;
        let used = Direction::ALL.into_iter().filter(|&direction| pattern.does[direction]);
        used.map(|direction| pattern.block_sizes[direction].min_bytes).max().unwrap_or(1)
    }

    fn bytes_of(&self, amount: Amount, option: &str) -> Result<u64, Error> {
        match amount {
            Amount::Bytes(bytes) => Ok(bytes),
            Amount::Percent(percent) if self.whole_bytes > 0 => {
                let align = self.block_bytes();
                Ok(share(self.whole_bytes, percent) / align * align)
            }
            Amount::Percent(percent) => Err(self.error(&format!(
                "{option}={percent}% is a share of a file that is not there yet; give filesize=, or \
                 create the file first"
            ))),
        }
    }

    fn space_left(&self) -> Result<u64, Error> {
        super::permission::available_bytes(self.path)
            .map_err(|error| Error::of("look at the space around", self.path, &error))
    }

    fn error(&self, what: &str) -> Error {
        Error::new(format!("{}: {}: {what}", self.job.name, self.path.display()))
    }
}

fn share(bytes: u64, percent: u32) -> u64 {
    let share = u128::from(bytes) * u128::from(percent) / 100;
    u64::try_from(share).expect("at most as much as the whole, percentages being up to 100")
}

/// What a path leads to, and how large it is.
fn inspect(path: &Path) -> Result<(FileKind, u64), Error> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok((FileKind::Missing, 0));
        }
        Err(error) => return Err(Error::of("look at", path, &error)),
    };
    let kind = metadata.file_type();
    if kind.is_file() {
        Ok((FileKind::Regular, metadata.len()))
    } else if kind.is_block_device() {
        let size = fs::File::open(path).and_then(|mut device| device.seek(SeekFrom::End(0)));
        size.map(|bytes| (FileKind::Block, bytes)).map_err(|error| Error::of("open", path, &error))
    } else if kind.is_char_device() && is_endless(metadata.rdev()) {
        Ok((FileKind::Endless, 0))
    } else {
        Err(Error::new(format!(
            "{} is neither a file nor a block device; give filename= one of these",
            path.display()
        )))
    }
}

/// Linux: devices.txt, major 1 are memory devices.
fn is_endless(device: u64) -> bool {
    libc::major(device) == 1 && matches!(libc::minor(device), 3 | 5 | 7)
}

/// A size between two, the same in every run.
fn drawn_between(min: u64, max: u64, number: u32, index: usize) -> u64 {
    let seed = u64::from(number) << 32 | index as u64;
    min + super::RandomBytes::new(seed).next_u64() % (max - min + 1)
}
