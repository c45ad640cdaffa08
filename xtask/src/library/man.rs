//! Manual pages from the headers: one of section 3 per group of functions, reachable by the name of
//! each, and the overview in section 7.

use super::header::{Function, Group, Header};

/// A page, or a name that leads to one.
#[derive(Debug)]
pub(crate) struct Page {
    /// Below `share/man`.
    pub(crate) file: String,
    pub(crate) text: String,
}

pub(crate) fn pages(headers: &[Header], overview: &str, version: &str) -> Vec<Page> {
    let mut pages =
        vec![Page { file: "man7/aura.7".into(), text: overview.replace("@VERSION@", version) }];
    let groups = headers
        .iter()
        .flat_map(|header| header.groups.iter().map(move |group| (header.file, group)));
    for (file, group) in groups.filter(|(_, group)| !group.functions.is_empty()) {
        let names: Vec<&str> = group.functions.iter().map(|f| f.name.as_str()).collect();
        let [first, others @ ..] = &*names else { continue };
        pages.push(Page {
            file: format!("man3/{first}.3"),
            text: page(file, group, &names, version),
        });
        pages.extend(others.iter().map(|name| Page {
            file: format!("man3/{name}.3"),
            text: format!(".so man3/{first}.3\n"),
        }));
    }
    pages
}

fn page(file: &str, group: &Group, names: &[&str], version: &str) -> String {
    let mut text = format!(
        ".\\\" Made from {file}.\n.TH {} 3 \"\" \"Aura {version}\" \"Aura\"\n.SH NAME\n{} \\- {}\n\
         .SH LIBRARY\nAura (libaura, \\-laura)\n.SH SYNOPSIS\n.nf\n.B #include <{file}>\n",
        names[0],
        names.join(", "),
        escape(&group.title.to_lowercase()),
    );
    for function in &group.functions {
        text += &format!(".PP\n.BI \"{}\"\n", declaration(&function.declaration));
    }
    text += ".fi\n.SH DESCRIPTION\n";
    let remarks: String = group.remarks.iter().map(|remark| paragraphs(remark)).collect();
    text += remarks.strip_prefix(".PP\n").unwrap_or(&remarks);
    for function in &group.functions {
        let described = described(function);
        // A heading begins a paragraph by itself.
        let described = described.strip_prefix(".PP\n").unwrap_or(&described);
        text += &format!(".SS {}()\n{described}", function.name);
    }
    text + ".SH SEE ALSO\n.BR aura (7)\n"
}

/// The declaration for `.BI`: bold, the parameters' names in italics.
fn declaration(text: &str) -> String {
    escape(&text.replace('"', "\\(dq"))
}

/// The comment of a function: text, parameters, result.
fn described(function: &Function) -> String {
    let mut text = String::new();
    let mut blocks = vec![String::new()];
    for line in function.comment.lines() {
        if line.trim_start().starts_with('@') {
            blocks.push(String::new());
        }
        if let Some(block) = blocks.last_mut() {
            *block += line.trim();
            block.push('\n');
        }
    }
    for block in blocks.iter().map(|block| block.trim()).filter(|block| !block.is_empty()) {
        text += &match block.split_once(char::is_whitespace) {
            Some(("@param", rest)) => {
                let (name, about) =
                    rest.trim().split_once(char::is_whitespace).unwrap_or((rest, ""));
                format!(".TP\n.I {name}\n{}\n", escape(&joined(about)))
            }
            Some(("@return", about)) => {
                format!(".TP\nReturns\n{}\n", escape(&joined(about)))
            }
            _ => paragraphs(block),
        };
    }
    text
}

/// Text as paragraphs; indented lines as they stand.
fn paragraphs(text: &str) -> String {
    let mut out = String::new();
    for paragraph in text.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty()) {
        if paragraph.lines().all(|line| line.starts_with("  ")) {
            out += &format!(".PP\n.nf\n{}\n.fi\n", escape(paragraph));
        } else {
            out += &format!(".PP\n{}\n", escape(&joined(paragraph)));
        }
    }
    out
}

fn joined(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What roff would take for its own.
fn escape(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace("\\e(dq", "\\(dq").replace('-', "\\-");
    let lines = text.lines().map(|line| match line.starts_with(['.', '\'']) {
        true => format!("\\&{line}"),
        false => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::super::header;
    use super::*;

    #[test]
    fn every_function_has_a_page_or_leads_to_one() {
        let text = "/* ---- Reading ---- */\n/**\n * Reads.\n *\n * @param fd  A file.\n * @return  \
                    -1.\n */\nAURA_API int aura_a(int fd);\nAURA_API int aura_b(void);\n";
        let groups = header::parse(text).expect("well-formed");
        let headers = [header::Header { file: "a.h", groups }];
        let pages = pages(&headers, "over @VERSION@", "1.2");
        let files: Vec<_> = pages.iter().map(|page| page.file.as_str()).collect();
        assert_eq!(files, ["man7/aura.7", "man3/aura_a.3", "man3/aura_b.3"]);
        assert_eq!(pages[0].text, "over 1.2");
        assert!(pages[1].text.contains("#include <a.h>"), "{}", pages[1].text);
        assert!(pages[1].text.contains(".I fd\nA file."), "{}", pages[1].text);
        assert!(pages[1].text.contains("Returns\n\\-1."), "{}", pages[1].text);
        assert_eq!(pages[2].text, ".so man3/aura_a.3\n");
    }

    #[test]
    fn text_that_looks_like_roff_is_escaped() {
        assert_eq!(escape("a\\b\n.x\n'y"), "a\\eb\n\\&.x\n\\&'y");
    }
}
