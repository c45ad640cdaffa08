//! All sections turned into a plan, and what jobs say of each other.

use std::path::Path;

use super::Error;
use super::resolve::resolve;
use super::sections::{Section, Sections};
use super::suggest::nearest;
use crate::job::{Job, Plan, Settings};

/// The plan of these sections.
pub(super) fn plan(sections: Sections, settings: Settings) -> Result<Plan, Error> {
    let (global_given, sections) = sections.finish()?;
    if sections.is_empty() {
        let message = "no jobs; name a job file, or begin a job with --name=NAME (bffio --help shows examples)";
        return Err(Error { place: None, message: message.to_owned() });
    }
    let mut notes = Vec::new();
    let mut jobs = Vec::with_capacity(sections.len());
    for Section { place, draft } in sections {
        let name = draft.job.name.clone();
        let at = |problem| Error::at(&place, format!("job {name:?}: {problem}"));
        let job = resolve(draft, &mut notes).map_err(at)?;
        check_order(&job, &jobs).map_err(at)?;
        check_permission(&job, &settings).map_err(at)?;
        jobs.push(job);
    }
    check_settings(&jobs, &settings)?;
    note_engines(&jobs, &mut notes);
    note_ignored(&jobs, &mut notes);
    Ok(Plan { jobs, global_given, settings, notes })
}

/// `wait_for` names a job that came before.
fn check_order(job: &Job, before: &[Job]) -> Result<(), String> {
    let Some(name) = &job.wait_for else {
        return Ok(());
    };
    if before.iter().any(|other| other.name == *name) {
        return Ok(());
    }
    let hint = nearest(name, before.iter().map(|other| other.name.as_str()));
    let hint = hint.map(|name| format!("; did you mean {name:?}?")).unwrap_or_default();
    Err(format!("wait_for={name}: no job of this name comes before{hint}"))
}

fn check_permission(job: &Job, settings: &Settings) -> Result<(), String> {
    if settings.readonly && job.pattern.does.write {
        return Err(format!("rw={} writes, and --readonly forbids that", job.pattern.name()));
    }
    Ok(())
}

fn check_settings(jobs: &[Job], settings: &Settings) -> Result<(), Error> {
    if settings.sweep.is_some()
        && let Some(job) = jobs.iter().find(|job| job.search.is_some())
    {
        let message = format!(
            "the depth of {:?} cannot be both given by --sweep and searched for a target",
            job.name
        );
        return Err(Error::at("--sweep", message));
    }
    if let Some(path) = &settings.aux_path
        && !path.is_dir()
    {
        return Err(Error::at("--aux-path", format!("{} is not a directory", path.display())));
    }
    for (option, path) in [("--output", &settings.output), ("--plot", &settings.plot)] {
        if let Some(path) = path {
            check_writable_place(option, path)?;
        }
    }
    Ok(())
}

/// The folder is there, so that a run of an hour does not end without its report.
fn check_writable_place(option: &str, path: &Path) -> Result<(), Error> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if path.is_dir() || folder.is_some_and(|folder| !folder.is_dir()) {
        return Err(Error::at(
            option,
            format!("{} cannot be written: name a file in an existing directory", path.display()),
        ));
    }
    Ok(())
}

/// The engines that were asked for, where that is not io_uring.
fn note_engines(jobs: &[Job], notes: &mut Vec<String>) {
    let mut engines: Vec<_> =
        jobs.iter().map(|job| job.engine.as_str()).filter(|name| *name != "io_uring").collect();
    engines.sort_unstable();
    engines.dedup();
    if !engines.is_empty() {
        notes.push(format!("ioengine={}: all I/O is done by Aura's engine", engines.join(", ")));
    }
}

fn note_ignored(jobs: &[Job], notes: &mut Vec<String>) {
    let mut ignored: Vec<_> = jobs.iter().flat_map(|job| job.ignored.iter().copied()).collect();
    ignored.sort_unstable();
    ignored.dedup();
    if !ignored.is_empty() {
        notes.push(format!("accepted without effect: {}", ignored.join(", ")));
    }
}
