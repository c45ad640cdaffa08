//! Opening a worker's files, and what is to be done to them before and after.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, fadvise};

use super::failure::Failure;
use crate::job::{Job, SyncMode};
use crate::layout::{FileKind, FileRange, mark};

/// A file of a worker.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) path: PathBuf,
    pub(super) fd: RawFd,
    file: File,
    /// It did not exist when the run was prepared.
    was_missing: bool,
}

impl OpenFile {
    /// Opens a file as the job wants it.
    ///
    /// # Errors
    ///
    /// What the system says; for `O_DIRECT` with a hint.
    pub(super) fn open(job: &Job, range: &FileRange) -> Result<Self, Failure> {
        let files = &job.files;
        let sync = match files.sync {
            SyncMode::None => 0,
            SyncMode::Sync => libc::O_SYNC,
            SyncMode::Dsync => libc::O_DSYNC,
        };
        let direct = if files.direct { libc::O_DIRECT } else { 0 };
        let writes = job.pattern.does.write;
        let was_missing = range.kind == FileKind::Missing;
        // A file that is laid out exists by now; one that is only written comes into being here.
        let creates = writes && files.may_create && was_missing && !range.path.exists();
        if let Some(folder) = range.path.parent().filter(|_| creates) {
            let _ = std::fs::create_dir_all(folder); // If that fails, opening says why.
        }
        let mut options = OpenOptions::new();
        options.read(job.pattern.does.read || job.verify.method.is_some() || !writes);
        options.write(writes).create(creates).truncate(false).custom_flags(direct | sync);
        let file = options.open(&range.path).map_err(|error| {
            let mut failure = Failure::of_file("open", &range.path, &error);
            if files.direct && failure.errno == libc::EINVAL {
                failure.what.push_str("; its file system does not support direct=1: give direct=0");
            }
            failure
        })?;
        if creates {
            mark(&file);
        }
        Ok(Self { path: range.path.clone(), fd: file.as_raw_fd(), file, was_missing })
    }

    /// Drops the file's pages, or reads them all.
    pub(super) fn prepare(&mut self, job: &Job, range: &FileRange) -> Result<(), Failure> {
        if range.kind == FileKind::Endless {
            return Ok(());
        }
        if job.files.pre_read {
            return read_all(&range.path);
        }
        if job.files.invalidate {
            // Dirty pages cannot be dropped.
            let _ = rustix::fs::fdatasync(&self.file);
            let _ = fadvise(&self.file, range.start_bytes, None, Advice::DontNeed);
        }
        Ok(())
    }

    /// Makes it durable and removes it, if the job says so.
    pub(super) fn finish(&self, job: &Job) -> Result<(), Failure> {
        let files = &job.files;
        if (files.end_fsync || files.fsync_on_close) && job.pattern.does.write {
            let synced = self.file.sync_all();
            synced.map_err(|error| Failure::of_file("fsync", &self.path, &error))?;
        }
        Ok(())
    }

    /// Removes the file if this run created it.
    pub(super) fn unlink(&self) {
        if self.was_missing {
            // Another worker of the same job may have been faster.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn read_all(path: &Path) -> Result<(), Failure> {
    let mut chunk = vec![0; 1 << 20];
    let read = File::open(path).and_then(|mut file| {
        while file.read(&mut chunk)? > 0 {}
        Ok(())
    });
    read.map_err(|error| Failure::of_file("read", path, &error))
}
