//! Reading the headers of the C library: which functions they declare, in which groups, and what they
//! say of them.
//!
//! The headers are our own and formatted in one way; this reads that way and no other, and says so
//! when it meets something else.

use std::fs;
use std::path::Path;

/// The headers, in the manual's order.
pub(crate) const FILES: [&str; 5] =
    ["aura.h", "aura_prometheus.h", "aura_otel.h", "aura_otel_push.h", "aura_syslog.h"];

/// A header that was read.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) file: &'static str,
    pub(crate) groups: Vec<Group>,
}

/// All of them, from a folder.
pub(crate) fn read_all(folder: &Path) -> Result<Vec<Header>, String> {
    let read = |file: &'static str| {
        let in_file = |what: String| format!("{file}: {what}");
        let text = fs::read_to_string(folder.join(file)).map_err(|e| in_file(e.to_string()))?;
        Ok(Header { file, groups: parse(&text).map_err(in_file)? })
    };
    FILES.into_iter().map(read).collect()
}

/// A part of the header under one heading.
#[derive(Debug, Default)]
pub(crate) struct Group {
    pub(crate) title: String,
    /// Comments that belong to no declaration.
    pub(crate) remarks: Vec<String>,
    pub(crate) functions: Vec<Function>,
}

#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// Without attributes, on one line, with `;`.
    pub(crate) declaration: String,
    /// The comment before it, as lines.
    pub(crate) comment: String,
}

/// The groups of the header, in its order.
pub(crate) fn parse(text: &str) -> Result<Vec<Group>, String> {
    let mut groups = vec![Group::default()];
    let mut comment: Option<String> = None;
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let group = groups.last_mut().ok_or("no group")?;
        let trimmed = line.trim();
        if let Some(heading) = trimmed.strip_prefix("/* ---- ") {
            let title = heading.trim_end_matches("*/").trim_end_matches([' ', '-']).trim();
            groups.push(Group { title: title.into(), ..Group::default() });
        } else if line.starts_with("/*") {
            if let Some(lone) = comment.take() {
                group.remarks.push(lone);
            }
            let mut whole = vec![trimmed];
            while !whole.last().is_some_and(|last| last.ends_with("*/")) {
                whole.push(lines.next().ok_or("a comment does not end")?.trim());
            }
            comment = Some(comment_text(&whole));
        } else if line.starts_with("AURA_API ") || line.starts_with("static inline ") {
            let mut whole = trimmed.to_owned();
            while !whole.contains([';', '{']) {
                let next = lines.next().ok_or("a declaration does not end")?;
                whole = format!("{whole} {}", next.trim());
            }
            group.functions.push(function(&whole, comment.take().unwrap_or_default())?);
        } else if trimmed.is_empty() {
            if let Some(lone) = comment.take() {
                group.remarks.push(lone);
            }
        } else {
            comment = None; // It describes a type or a constant.
        }
    }
    Ok(groups)
}

/// The names of all functions, sorted.
pub(crate) fn function_names(headers: &[Header]) -> Vec<String> {
    let groups = headers.iter().flat_map(|header| &header.groups);
    let functions = groups.flat_map(|group| &group.functions);
    let mut names: Vec<_> = functions.map(|function| function.name.clone()).collect();
    names.sort();
    names
}

fn comment_text(lines: &[&str]) -> String {
    let bare = lines.iter().map(|line| {
        let line = line.trim_start_matches("/**").trim_start_matches("/*");
        let line = line.trim_end_matches("*/").trim_end();
        line.strip_prefix('*').unwrap_or(line)
    });
    // One blank separates the star from the text; what is more is layout.
    let bare = bare.map(|line| line.strip_prefix(' ').unwrap_or(line));
    bare.collect::<Vec<_>>().join("\n").trim().to_owned()
}

fn function(text: &str, comment: String) -> Result<Function, String> {
    let odd = || format!("no declaration of a function: {text}");
    let end = text.find([';', '{']).ok_or_else(odd)?;
    let bare =
        text[..end].trim().trim_start_matches("AURA_API ").trim_start_matches("static inline ");
    let close = match bare.find(") AURA_") {
        Some(attribute) => attribute + 1,
        None => bare.len(),
    };
    let bare = &bare[..close];
    let open = bare.find('(').ok_or_else(odd)?;
    let name = bare[..open].rsplit([' ', '*']).next().ok_or_else(odd)?;
    if !name.starts_with("aura_") {
        return Err(odd());
    }
    Ok(Function { name: name.into(), declaration: format!("{bare};"), comment })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = "\
/* ---- First ------ */

/* About the group,
 * in two lines. */

/** Does this.
 *
 * @return  0. */
AURA_API int aura_one(aura_engine_t *engine,
                      int fd) AURA_WARN_UNUSED;
/* A type. */
typedef struct x x;

/* ---- Second ----- */
/** That. */
static inline aura_buf_t aura_two(void *ptr) {
  return x;
}
AURA_API const char *aura_three(void);
AURA_API void aura_four(int level, const char *fmt, ...) AURA_PRINTF(2, 3);
";

    #[test]
    fn groups_functions_and_comments_are_found() {
        let groups = parse(SAMPLE).expect("well-formed");
        let titles: Vec<_> = groups.iter().map(|group| group.title.as_str()).collect();
        assert_eq!(titles, ["", "First", "Second"]);
        assert_eq!(groups[1].remarks, ["About the group,\nin two lines."]);
        let one = &groups[1].functions[0];
        assert_eq!(one.declaration, "int aura_one(aura_engine_t *engine, int fd);");
        assert_eq!(one.comment, "Does this.\n\n@return  0.");
        assert_eq!(groups[2].functions[1].declaration, "const char *aura_three(void);");
        assert!(groups[2].functions[2].declaration.ends_with("...);"));
        let names = function_names(&[Header { file: "aura.h", groups }]);
        assert_eq!(names, ["aura_four", "aura_one", "aura_three", "aura_two"]);
    }

    #[test]
    fn what_is_no_function_is_refused() {
        assert!(parse("AURA_API int other(void);\n").is_err());
        assert!(parse("AURA_API int aura_x(\n").is_err());
    }
}
