//! The files of a run: which there are, how large they have to be, whether they may be written to, and
//! what is written into them before the run.
//!
//! Nothing is written until everything is known to be allowed and to fit.
//!
//! | module | what lives there |
//! | --- | --- |
//! | `names` | names of a worker's files |
//! | `range` | sizes and offsets, resolved against what is there |
//! | `permission` | what is never written to unless the user says so |
//! | `fill` | random data |

mod fill;
mod names;
mod permission;
mod range;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use crate::job::{Job, Plan};
use crate::run::Error;
use crate::watch::Observer;

pub(crate) use fill::{RandomBytes, seed};
pub(crate) use permission::mark;
pub(crate) use range::{FileKind, FileRange};

/// A worker and its files.
#[derive(Clone, Debug)]
pub(crate) struct WorkerFiles {
    /// Index of its job in the plan.
    pub(crate) job: usize,
    /// Its number within the job.
    pub(crate) number: u32,
    /// Its files.
    pub(crate) files: Vec<FileRange>,
    /// Bytes it transfers in one loop.
    pub(crate) io_bytes: u64,
}

/// What has to become of a file before the run.
#[derive(Debug, Default)]
struct Need {
    /// It has to be so large, with data all over.
    bytes: u64,
    /// How large it is.
    present_bytes: u64,
    kind: FileKind,
    /// Jobs that need it laid out, for messages and settings.
    job: usize,
    is_written: bool,
    is_laid_out: bool,
}

/// Resolves the files of all workers, and lays out what is missing.
///
/// # Errors
///
/// A file that may not be written to, a size that cannot be known, no space, or what the system says.
pub(crate) fn prepare(
    plan: &Plan,
    observer: &mut dyn Observer,
    interrupted: &AtomicBool,
) -> Result<Vec<WorkerFiles>, Error> {
    let mut workers = Vec::new();
    for (index, job) in plan.jobs.iter().enumerate() {
        for number in 0..job.worker_count {
            let files = range::resolve(job, number, &names::of_worker(job, number)?)?;
            let total_bytes = files.iter().map(|file| file.length_bytes).sum();
            let io_bytes = range::io_bytes(job, total_bytes);
            workers.push(WorkerFiles { job: index, number, files, io_bytes });
        }
    }
    let needs = needs(plan, &workers);
    for (path, need) in &needs {
        permission::check(&plan.jobs[need.job], path, need.kind, need.is_written)?;
    }
    permission::check_space(
        needs
            .iter()
            .filter(|(_, need)| need.is_laid_out)
            .map(|(path, need)| (path.as_path(), need.bytes.saturating_sub(need.present_bytes))),
    )?;
    for (path, need) in &needs {
        if need.is_laid_out {
            lay_out(&plan.jobs[need.job], path, need, observer, interrupted)?;
        } else if need.kind == FileKind::Regular && need.present_bytes > 0 {
            warn_of_holes(path, observer);
        }
    }
    Ok(workers)
}

fn needs(plan: &Plan, workers: &[WorkerFiles]) -> BTreeMap<PathBuf, Need> {
    let mut needs: BTreeMap<PathBuf, Need> = BTreeMap::new();
    for worker in workers {
        let job = &plan.jobs[worker.job];
        for file in &worker.files {
            let end_bytes = file.start_bytes + file.length_bytes;
            let can_grow = matches!(file.kind, FileKind::Missing | FileKind::Regular);
            let grows = can_grow && end_bytes > file.present_bytes;
            let is_laid_out = grows && is_laid_out(job);
            let need = needs.entry(file.path.clone()).or_insert_with(|| Need {
                job: worker.job,
                kind: file.kind,
                present_bytes: file.present_bytes,
                ..Need::default()
            });
            if is_laid_out {
                need.bytes = need.bytes.max(end_bytes);
            }
            let is_written = is_laid_out || job.pattern.does.write;
            if is_written && !need.is_written {
                need.job = worker.job;
            }
            need.is_written |= is_written;
            need.is_laid_out |= is_laid_out;
        }
    }
    needs
}

/// Whether a job's files are filled before it starts. Reading holes or unwritten extents measures the
/// file system's memory, and writing into them its allocator; a job that writes from beginning to end
/// is how files come into being anyway.
fn is_laid_out(job: &Job) -> bool {
    let pattern = &job.pattern;
    let only_fills = !pattern.does.read && !pattern.is_random() && !job.files.overwrite;
    !only_fills && !job.files.fill_device
}

fn lay_out(
    job: &Job,
    path: &Path,
    need: &Need,
    observer: &mut dyn Observer,
    interrupted: &AtomicBool,
) -> Result<(), Error> {
    let missing_bytes = need.bytes - need.present_bytes;
    let mib = missing_bytes.div_ceil(1 << 20);
    observer.note(&format!("{}: Laying out IO file (1 file / {mib}MiB)", job.name));
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|error| Error::of("create", folder, &error))?;
    }
    let is_new = need.kind == FileKind::Missing;
    let file = File::options().create(is_new).write(true).truncate(false).open(path);
    let file = file.map_err(|error| Error::of("open", path, &error))?;
    if is_new {
        mark(&file);
    }
    let filled = fill::fill(&file, need.present_bytes, need.bytes, interrupted)
        .and_then(|()| if job.files.create_fsync { file.sync_all() } else { Ok(()) });
    filled.map_err(|error| {
        // What is half done is of no use to the next run.
        let _ = if is_new { std::fs::remove_file(path) } else { file.set_len(need.present_bytes) };
        Error::of("lay out", path, &error)
    })
}

fn warn_of_holes(path: &Path, observer: &mut dyn Observer) {
    use std::os::unix::fs::MetadataExt;
    let Ok(metadata) = std::fs::metadata(path) else { return };
    if metadata.blocks() * 512 < metadata.len() / 10 * 9 {
        observer.note(&format!(
            "{} has holes: reading them measures the file system's memory, not the storage",
            path.display()
        ));
    }
}
