//! Names of a worker's files.

use std::path::PathBuf;

use crate::job::Job;
use crate::run::Error;

/// The names of the files of a worker.
///
/// # Errors
///
/// A `directory=` that is none.
pub(super) fn of_worker(job: &Job, number: u32) -> Result<Vec<PathBuf>, Error> {
    let files = &job.files;
    let names: Vec<PathBuf> = if files.names.is_empty() {
        (0..files.count).map(|file| made_up(job, number, file).into()).collect()
    } else {
        files.names.clone()
    };
    let folders = &files.directories;
    if folders.is_empty() {
        return Ok(names);
    }
    let folder = &folders[number as usize % folders.len()];
    if !folder.is_dir() {
        return Err(Error::new(format!(
            "{}: directory={} is not a directory; create it, or name another",
            job.name,
            folder.display()
        )));
    }
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}

fn made_up(job: &Job, number: u32, file: u32) -> String {
    let name = job.files.name_format.replace("$jobname", &job.name);
    let name = name.replace("$jobnum", &number.to_string()).replace("$clientuid", "localhost");
    name.replace("$filenum", &file.to_string())
}
