//! The file that is read: made for the run, or the user's own, which is never written to.
//!
//! A file made for the run has no name (`O_TMPFILE`, or unlinked at once), so the kernel gives its
//! space back however the program ends, be it by `SIGKILL`.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::content::{self, Verifier};
use crate::interrupt::{self, Interrupted};
use crate::{BLOCK_BYTES, Error, disk, units};

/// Space that is left free on the disk for others.
const RESERVE_BYTES: u64 = 256 << 20;
const CHUNK_BYTES: usize = 1 << 20;

/// Whether reads go past the page cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Direct {
    /// O_DIRECT where the file system takes it, and say so where it does not
    #[default]
    Auto,
    /// O_DIRECT, or fail
    Yes,
    /// Through the page cache
    No,
}

/// A file to read at random, and what is known about it.
#[derive(Debug)]
pub struct Subject {
    /// Opened for reading as [`is_direct`](Self::is_direct) says.
    pub file: File,
    /// Its length.
    pub bytes: u64,
    /// Whether it is open with `O_DIRECT`.
    pub is_direct: bool,
    /// What the user should know, such as why `O_DIRECT` was not used.
    pub notes: Vec<String>,
    file_system: &'static str,
    /// The same file through the page cache, if it is not ours; ours is checked by its offsets.
    foreign: Option<File>,
}

/// The subject as reports show it. The name of a user's file is the user's own business.
#[derive(Clone, Debug, Serialize)]
pub struct Description {
    bytes: u64,
    direct: bool,
    file_system: &'static str,
    made_for_the_run: bool,
}

impl Subject {
    /// Makes a file in `folder` with the content of [`content::fill`], checking the space first.
    ///
    /// # Errors
    ///
    /// No space, no permission, no `O_DIRECT` where it was demanded; [`Interrupted`].
    pub fn make(folder: &Path, bytes: u64, direct: Direct) -> Result<Self, Error> {
        if bytes < BLOCK_BYTES as u64 {
            return Err(format!("the file must have at least {BLOCK_BYTES} bytes").into());
        }
        let bytes = bytes.next_multiple_of(BLOCK_BYTES as u64);
        let explain = |error: io::Error| format!("a file in {}: {error}", folder.display());
        std::fs::create_dir_all(folder).map_err(explain)?;
        let file = tempfile::tempfile_in(folder).map_err(explain)?;
        let free_bytes = disk::free_bytes(&file)?;
        if free_bytes < bytes.saturating_add(RESERVE_BYTES) {
            return Err(format!(
                "{} has {} free; a file of {} and a reserve of {} need more (--size, --dir)",
                folder.display(),
                units::size(free_bytes),
                units::size(bytes),
                units::size(RESERVE_BYTES),
            )
            .into());
        }
        write_content(&file, bytes)?;
        Self::new(file, bytes, direct, None)
    }

    /// Takes a file or block device of the user's, for reading only.
    ///
    /// # Errors
    ///
    /// It cannot be opened, is smaller than a block, or refuses `O_DIRECT` where it was demanded.
    pub fn take(path: &Path, direct: Direct) -> Result<Self, Error> {
        let open = || -> io::Result<(File, File, u64)> {
            let mut plain = File::open(path)?;
            // Not the metadata's length: that is 0 for a block device.
            let bytes = plain.seek(SeekFrom::End(0))?;
            Ok((File::open(path)?, plain, bytes))
        };
        let (file, plain, bytes) =
            open().map_err(|error| format!("{}: {error}", path.display()))?;
        if bytes < BLOCK_BYTES as u64 {
            return Err(format!("{} has less than {BLOCK_BYTES} bytes", path.display()).into());
        }
        Self::new(file, bytes, direct, Some(plain))
    }

    /// A checker for reads of this file.
    #[must_use]
    pub fn verifier(&self) -> Verifier {
        Verifier::new(self.foreign.is_none())
    }

    /// Ends a checker: what it kept for later is compared now.
    ///
    /// # Errors
    ///
    /// Content that differs.
    pub fn finish(&self, verifier: &mut Verifier) -> Result<(), Error> {
        self.foreign.as_ref().map_or(Ok(()), |plain| verifier.finish(plain))
    }

    /// The subject as reports show it.
    #[must_use]
    pub fn describe(&self) -> Description {
        Description {
            bytes: self.bytes,
            direct: self.is_direct,
            file_system: self.file_system,
            made_for_the_run: self.foreign.is_none(),
        }
    }

    fn new(file: File, bytes: u64, direct: Direct, foreign: Option<File>) -> Result<Self, Error> {
        let file_system = disk::file_system(&file)?;
        let mut notes = Vec::new();
        if matches!(file_system, "tmpfs" | "ramfs") {
            notes.push(format!(
                "the file lies in {file_system}: memory, not a disk, and io_uring serves it with \
                 worker threads; choose a folder on a disk with --dir"
            ));
        }
        let mut is_direct = false;
        if direct != Direct::No {
            match disk::set_direct(&file) {
                Ok(()) => is_direct = true,
                Err(error) if direct == Direct::Yes => {
                    return Err(format!("{file_system} refuses O_DIRECT: {error}").into());
                }
                Err(error) => notes.push(format!(
                    "{file_system} refuses O_DIRECT ({error}); reads go through the page cache, so \
                     the figures are those of memory, not of the disk"
                )),
            }
        }
        Ok(Self { file, bytes, is_direct, notes, file_system, foreign })
    }
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let size = units::size(self.bytes);
        let way = if self.is_direct { "with O_DIRECT" } else { "through the page cache" };
        let whose = if self.foreign.is_none() { "made for this run" } else { "not ours" };
        write!(f, "{size} on {}, {way}, {whose}", self.file_system)
    }
}

/// The folder for test files when none is named: beside this program, hence in the target folder,
/// which is on a disk, ignored by version control, and the user's own.
#[must_use]
pub fn default_folder() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    program.parent().and_then(Path::parent).map_or_else(std::env::temp_dir, PathBuf::from)
}

fn write_content(mut file: &File, bytes: u64) -> Result<(), Error> {
    let template = "making the file {bar:30} {bytes}/{total_bytes} {binary_bytes_per_sec}";
    let style = ProgressStyle::with_template(template)?;
    let progress = ProgressBar::new(bytes).with_style(style); // Hidden where there is no terminal.
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut offset = 0;
    while offset < bytes {
        if interrupt::requested() {
            progress.finish_and_clear();
            return Err(Interrupted.into());
        }
        let length = (bytes - offset).min(CHUNK_BYTES as u64) as usize;
        content::fill(offset, &mut chunk[..length]);
        file.write_all(&chunk[..length])?;
        offset += length as u64;
        progress.set_position(offset);
    }
    // Dirty pages would be written back in the middle of the measurement.
    file.sync_data()?;
    progress.finish_and_clear();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;

    fn folder() -> PathBuf {
        // The folder of the test program lies in the target folder: a real disk, as in a run.
        default_folder()
    }

    #[test]
    fn a_made_file_has_the_promised_content_and_no_name() {
        let folder = folder().join(format!("subject-test-{}", std::process::id()));
        let subject = Subject::make(&folder, 3 * 4096 - 5, Direct::No).expect("some disk space");
        assert_eq!(subject.bytes, 3 * 4096);
        let mut block = [0; BLOCK_BYTES];
        subject.file.read_exact_at(&mut block, 8192).expect("readable");
        subject.verifier().check(8192, &block).expect("the content at this offset");
        // `remove_dir` succeeds on an empty folder only.
        std::fs::remove_dir(&folder).expect("nothing was left in the folder");
    }

    #[test]
    fn a_file_larger_than_the_disk_is_refused_before_it_is_written() {
        let error = Subject::make(&folder(), 1 << 61, Direct::No).expect_err("2 EiB");
        assert!(error.to_string().contains("free"), "{error}");
    }

    #[test]
    fn a_users_file_is_taken_as_it_is() {
        let mut file = tempfile::NamedTempFile::new_in(folder()).expect("writable");
        file.write_all(&[7; 10_000]).expect("writable");
        let subject = Subject::take(file.path(), Direct::No).expect("readable");
        assert_eq!(subject.bytes, 10_000);
        assert!((&subject.file).write_all(b"x").is_err(), "opened for reading only");
        let mut verifier = subject.verifier();
        (0..1024).for_each(|_| verifier.check(0, &[7; BLOCK_BYTES]).expect("unknown content"));
        subject.finish(&mut verifier).expect("unchanged");
    }

    #[test]
    fn what_is_no_file_is_refused() {
        assert!(Subject::take(Path::new("/nonexistent/file"), Direct::Auto).is_err());
        assert!(Subject::take(Path::new("/dev/null"), Direct::Auto).is_err());
    }
}
