//! What is never written to unless the user says so, and whether there is space.
//!
//! A file that bffio has created carries an extended attribute. An existing file without it holds
//! somebody's data.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{XattrFlags, fsetxattr, getxattr, statvfs};
use rustix::io::Errno;

use super::FileKind;
use crate::job::Job;
use crate::run::Error;

const ATTRIBUTE: &str = "user.bffio";

/// Notes that a file is ours. A file system without attributes cannot; then the next run asks.
pub(crate) fn mark(file: &File) {
    let _ = fsetxattr(file, ATTRIBUTE, b"1", XattrFlags::empty());
}

/// Whether an earlier run has created a file. Where no attribute can say so, the name has to: names that
/// are made up from the job's are nobody else's.
fn is_ours(job: &Job, path: &Path) -> bool {
    match getxattr(path, ATTRIBUTE, &mut [0_u8; 1]) {
        Ok(_) => true,
        Err(Errno::NOTSUP) => job.files.names.is_empty(),
        Err(_) => false,
    }
}

/// Whether a job may do to a file what it is about to do.
///
/// # Errors
///
/// A device, or an existing file with contents that bffio did not create, is to be written to without
/// permission.
pub(super) fn check(job: &Job, path: &Path, kind: FileKind, is_written: bool) -> Result<(), Error> {
    if !is_written || job.files.may_overwrite {
        return Ok(());
    }
    let what = match kind {
        FileKind::Missing | FileKind::Endless => return Ok(()),
        FileKind::Block => "is a device, and its contents would be lost",
        FileKind::Regular if is_empty(path) || is_ours(job, path) => return Ok(()),
        FileKind::Regular => "holds data that bffio did not write, and that would be lost",
    };
    Err(Error::new(format!(
        "{}: {} {what}; if that is what you want, say --allow-overwrite, or allow_overwrite=1 in the \
         job",
        job.name,
        path.display()
    )))
}

fn is_empty(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.len() == 0)
}

/// Whether the bytes that are to be added to files fit their file systems.
///
/// # Errors
///
/// They do not, or nobody can say.
pub(super) fn check_space<'p>(growth: impl Iterator<Item = (&'p Path, u64)>) -> Result<(), Error> {
    let mut needed_bytes: BTreeMap<u64, (PathBuf, u64)> = BTreeMap::new();
    for (path, bytes) in growth {
        let folder = existing_folder(path);
        let metadata = std::fs::metadata(&folder);
        let device = metadata.map_err(|error| Error::of("look at", &folder, &error))?.dev();
        needed_bytes.entry(device).or_insert((folder, 0)).1 += bytes;
    }
    for (folder, needed) in needed_bytes.into_values() {
        let available = available_bytes(&folder)
            .map_err(|error| Error::of("look at the space in", &folder, &error))?;
        if needed > available {
            return Err(Error::new(format!(
                "no space for the files to lay out: {} MiB are needed in {}, {} MiB are free; make \
                 space, or give a smaller size=",
                needed.div_ceil(1 << 20),
                folder.display(),
                available >> 20
            )));
        }
    }
    Ok(())
}

/// Bytes that can be added where `path` is or will be.
pub(super) fn available_bytes(path: &Path) -> io::Result<u64> {
    let space = statvfs(existing_folder(path))?;
    Ok(space.f_bavail * space.f_frsize)
}

/// The nearest folder above a path that exists.
fn existing_folder(path: &Path) -> PathBuf {
    let above = path.ancestors().skip(1).find(|folder| folder.is_dir());
    above.map_or_else(|| ".".into(), Path::to_path_buf)
}
