//! Sections turned into drafts: `[global]` collects, jobs inherit, options find their entry in the table.

use super::Error;
use super::draft::Draft;
use super::ini::{Content, Line};
use super::spec::Spec;
use super::suggest::nearest;
use super::table;
use super::value::Value;
use super::variables;
use crate::job::Given;

/// An option as it was found.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) place: String,
    pub(super) name: String,
    pub(super) value: String,
}

/// A job as far as its options are read, and where it began.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) place: String,
    pub(super) draft: Draft,
}

/// Everything read so far.
#[derive(Debug)]
pub(super) struct Sections {
    global: Draft,
    jobs: Vec<Section>,
    /// Sections to run (`--section`); all if empty.
    wanted: Vec<String>,
    /// Names of all sections, whether wanted or not.
    seen: Vec<String>,
}

impl Sections {
    pub(super) fn new(wanted: Vec<String>) -> Self {
        Self { global: Draft::new("global"), jobs: Vec::new(), wanted, seen: Vec::new() }
    }

    /// Adds a section with its options.
    pub(super) fn add(&mut self, name: &str, place: &str, options: &[Found]) -> Result<(), Error> {
        if is_global(name) {
            return apply_all(&mut self.global, options);
        }
        self.seen.push(name.to_owned());
        if !self.wanted.is_empty() && !self.wanted.iter().any(|wanted| wanted == name) {
            return Ok(());
        }
        let mut draft = self.global.child(name);
        apply_all(&mut draft, options)?;
        self.jobs.push(Section { place: place.to_owned(), draft });
        Ok(())
    }

    /// Adds the sections of a job file. Its first job waits for the jobs of the files before.
    pub(super) fn add_file(&mut self, lines: &[Line]) -> Result<(), Error> {
        let first_job = self.jobs.len();
        let mut rest = lines;
        while let Some((head, tail)) = rest.split_first() {
            let Content::Section(name) = &head.content else {
                let message =
                    "an option outside of a section; put [global] or the name of a job above it"
                        .to_owned();
                return Err(Error { place: Some(head.place.clone()), message });
            };
            let end = tail
                .iter()
                .position(|line| matches!(line.content, Content::Section(_)))
                .unwrap_or(tail.len());
            let (body, next) = tail.split_at(end);
            let options: Vec<_> = body.iter().filter_map(found).collect();
            self.add(name, &head.place, &options)?;
            rest = next;
        }
        if first_job > 0
            && let Some(section) = self.jobs.get_mut(first_job)
        {
            section.draft.job.stonewall = true;
        }
        Ok(())
    }

    /// What `[global]` said, and the jobs. Fails if a wanted section was nowhere.
    pub(super) fn finish(self) -> Result<(Vec<Given>, Vec<Section>), Error> {
        for wanted in &self.wanted {
            if !self.seen.contains(wanted) {
                let hint = nearest(wanted, self.seen.iter().map(String::as_str));
                let hint = hint.map(|name| format!("; did you mean {name:?}?")).unwrap_or_default();
                return Err(Error::at(
                    "--section",
                    format!("there is no section {wanted:?}{hint}"),
                ));
            }
        }
        Ok((self.global.job.given, self.jobs))
    }
}

/// fio takes every section whose name begins so for global.
pub(super) fn is_global(name: &str) -> bool {
    name.starts_with("global")
}

/// The option of this name, or an error that names the nearest.
pub(super) fn find(name: &str, place: &str) -> Result<&'static Spec, Error> {
    table::find(name).ok_or_else(|| {
        let hint = nearest(name, table::options().flat_map(table::names));
        let hint = hint.map(|name| format!("; did you mean {name:?}?")).unwrap_or_default();
        Error::at(place, format!("unknown option {name:?}{hint}"))
    })
}

fn found(line: &Line) -> Option<Found> {
    match &line.content {
        Content::Section(_) => None,
        Content::Option { name, value } => {
            Some(Found { place: line.place.clone(), name: name.clone(), value: value.clone() })
        }
    }
}

/// Applies the options in their order, after those that decide how numbers are read.
fn apply_all(draft: &mut Draft, options: &[Found]) -> Result<(), Error> {
    let decides_units = |option: &&Found| option.name == "kb_base";
    for option in options.iter().filter(decides_units) {
        apply(draft, option)?;
    }
    for option in options.iter().filter(|option| !decides_units(option)) {
        apply(draft, option)?;
    }
    Ok(())
}

fn apply(draft: &mut Draft, option: &Found) -> Result<(), Error> {
    let spec = find(&option.name, &option.place)?;
    let problem = |problem: String| {
        let written =
            if option.value.is_empty() { String::new() } else { format!("={}", option.value) };
        Error::at(&option.place, format!("{}{written}: {problem}", option.name))
    };
    let text =
        variables::replace(&option.value, &|name| std::env::var(name).ok()).map_err(problem)?;
    let value = Value { text: text.trim(), kb_base: draft.job.kb_base };
    spec.apply(draft, value).map_err(problem)?;
    let value = value.text.to_owned();
    match draft.job.given.iter_mut().find(|given| given.name == spec.name) {
        Some(given) => given.value = value,
        None => draft.job.given.push(Given { name: spec.name, value }),
    }
    Ok(())
}
