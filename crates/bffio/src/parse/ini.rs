//! Job files: sections, options, comments, other files included.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::Error;

/// How deep files may include files; more is taken for a circle.
const INCLUDE_DEPTH_MAX: usize = 16;

/// A line that says something.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Line {
    /// `file:line`.
    pub(super) place: String,
    pub(super) content: Content,
}

/// What a line says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Content {
    /// `[name]`.
    Section(String),
    /// `name=value`, or `name` alone.
    Option { name: String, value: String },
}

/// All lines of a job file and of what it includes; `-` is standard input.
pub(super) fn read(path: &Path) -> Result<Vec<Line>, Error> {
    let mut lines = Vec::new();
    read_into(path, None, 0, &mut lines)?;
    Ok(lines)
}

fn read_into(
    path: &Path,
    from: Option<&str>,
    depth: usize,
    lines: &mut Vec<Line>,
) -> Result<(), Error> {
    if depth > INCLUDE_DEPTH_MAX {
        let message = format!(
            "files include each other more than {INCLUDE_DEPTH_MAX} deep: is this a circle?"
        );
        return Err(Error { place: from.map(str::to_owned), message });
    }
    let text = contents(path).map_err(|error| Error {
        place: from.map(str::to_owned),
        message: format!("cannot read the job file {}: {error}", path.display()),
    })?;
    for (index, line) in text.lines().enumerate() {
        let place = format!("{}:{}", path.display(), index + 1);
        let content = match without_comment(line) {
            "" => continue,
            line => line,
        };
        if let Some(name) = content.strip_prefix('[') {
            let name =
                name.split_once(']').map(|(name, _)| name.trim()).filter(|name| !name.is_empty());
            let Some(name) = name else {
                return Err(Error {
                    place: Some(place),
                    message: format!("{content:?}: a section is written [name]"),
                });
            };
            lines.push(Line { place, content: Content::Section(name.to_owned()) });
        } else if let Some(name) = included(content) {
            read_into(&find_included(path, Path::new(name)), Some(&place), depth + 1, lines)?;
        } else {
            let (name, value) = content.split_once('=').unwrap_or((content, ""));
            let content =
                Content::Option { name: name.trim().to_owned(), value: value.trim().to_owned() };
            lines.push(Line { place, content });
        }
    }
    Ok(())
}

fn contents(path: &Path) -> io::Result<String> {
    if path.as_os_str() == "-" {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text)?;
        return Ok(text);
    }
    fs::read_to_string(path)
}

/// The line up to `#` or `;`, without blanks around it.
fn without_comment(line: &str) -> &str {
    let line = line.trim_start_matches('\u{feff}');
    line.split(['#', ';']).next().unwrap_or_default().trim()
}

fn included(line: &str) -> Option<&str> {
    let name = line.strip_prefix("include")?;
    name.starts_with([' ', '\t', '=']).then(|| name[1..].trim())
}

/// As fio finds it: from the working directory, and from the folder of the including file.
fn find_included(includer: &Path, name: &Path) -> PathBuf {
    match includer.parent() {
        Some(folder) if !name.exists() => folder.join(name),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn option(name: &str, value: &str) -> Content {
        Content::Option { name: name.to_owned(), value: value.to_owned() }
    }

    fn read_text(files: &[(&str, &str)]) -> Result<Vec<Line>, Error> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        read(&folder.path().join(files[0].0))
    }

    #[test]
    fn comments_blanks_and_valueless_options_are_understood() {
        let lines = read_text(&[(
            "job",
            "; a comment\n# another\n\n  [ read test ]\n\tbs = 4k  # four\nstonewall ; wait\nfilename=/a=b\n",
        )])
        .unwrap();
        let contents: Vec<_> = lines.iter().map(|line| line.content.clone()).collect();
        let section = Content::Section("read test".to_owned());
        assert_eq!(
            contents,
            [section, option("bs", "4k"), option("stonewall", ""), option("filename", "/a=b")]
        );
        assert!(lines[1].place.ends_with("job:5"), "{}", lines[1].place);
    }

    #[test]
    fn included_files_stand_where_the_line_was() {
        let lines = read_text(&[
            ("job", "[a]\ninclude common.inc\nsize=1m\n"),
            ("common.inc", "bs=8k\ninclude deeper.inc\n"),
            ("deeper.inc", "rw=read\n[b]\nrw=write\n"),
        ])
        .unwrap();
        let contents: Vec<_> = lines.into_iter().map(|line| line.content).collect();
        let section = |name: &str| Content::Section(name.to_owned());
        assert_eq!(
            contents,
            [
                section("a"),
                option("bs", "8k"),
                option("rw", "read"),
                section("b"),
                option("rw", "write"),
                option("size", "1m")
            ]
        );
    }

    #[test]
    fn circles_and_missing_files_are_named_where_they_are_included() {
        let circle = read_text(&[("job", "[a]\ninclude job\n")]).unwrap_err();
        assert!(circle.message.contains("circle"), "{circle}");
        let missing = read_text(&[("job", "[a]\ninclude nowhere.inc\n")]).unwrap_err();
        assert!(missing.message.contains("nowhere.inc"), "{missing}");
        assert!(missing.place.unwrap().ends_with("job:2"));
        assert!(read_text(&[("job", "[a\n")]).unwrap_err().message.contains("[name]"));
    }
}
