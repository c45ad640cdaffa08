//! Reading a page of metrics: the text format of Prometheus, and what OpenMetrics has in common with it.

use std::fmt;

/// One number of a page.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) value: f64,
}

impl Sample {
    pub(crate) fn label(&self, name: &str) -> &str {
        self.labels.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

/// All numbers of a page, in its order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Page {
    samples: Vec<Sample>,
}

/// A line that is none of a page of metrics.
#[derive(Debug, PartialEq)]
pub(crate) struct NotAPage(String);

impl fmt::Display for NotAPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a page of metrics: {:?}", self.0)
    }
}

impl Page {
    pub(crate) fn parse(text: &str) -> Result<Self, NotAPage> {
        let lines = text.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let sample = |line: &str| {
            let start: String = line.chars().take(60).collect();
            sample(line).ok_or(NotAPage(start))
        };
        Ok(Self { samples: lines.map(sample).collect::<Result<_, _>>()? })
    }

    /// The samples of a name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Sample> {
        self.samples.iter().filter(move |sample| sample.name == name)
    }

    /// The sum of a name's samples that have this label, or of all of them without one.
    pub(crate) fn sum(&self, name: &str, label: Option<(&str, &str)>) -> f64 {
        let has =
            |sample: &&Sample| label.is_none_or(|(label, value)| sample.label(label) == value);
        self.all(name).filter(has).map(|sample| sample.value).sum()
    }
}

fn sample(line: &str) -> Option<Sample> {
    let end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(end);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Vec::new(), rest),
    };
    // A time stamp may follow, or an exemplar.
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some(Sample { name: name.into(), labels, value })
}

/// Labels up to the closing brace, and what follows it.
fn labels(mut rest: &str) -> Option<(Vec<(String, String)>, &str)> {
    let mut labels = Vec::new();
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(rest) = rest.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (name, after) = rest.split_once("=\"")?;
        let (mut value, mut chars) = (String::new(), after.char_indices());
        let end = loop {
            match chars.next()? {
                (at, '"') => break at + 1,
                (_, '\\') => value.push(match chars.next()?.1 {
                    'n' => '\n',
                    plain => plain,
                }),
                (_, plain) => value.push(plain),
            }
        };
        labels.push((name.trim().into(), value));
        rest = &after[end..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_in_all_their_forms() {
        let text =
            "# HELP a x\na 1\nb{c=\"d\",e=\"q\\\"\\\\\\n}\"} 2.5 1700000000\n\nf{} +Inf\n# EOF\n";
        let page = Page::parse(text).unwrap();
        assert_eq!((page.sum("a", None), page.sum("f", None)), (1.0, f64::INFINITY));
        let b = page.all("b").next().unwrap();
        assert_eq!((b.label("c"), b.label("e"), b.value), ("d", "q\"\\\n}", 2.5));
        assert_eq!((page.sum("b", Some(("c", "d"))), page.sum("b", Some(("c", "x")))), (2.5, 0.0));
    }

    #[test]
    fn what_is_no_page_is_named() {
        for text in ["<html>", "a", "a{b=\"c} 1", "a b", "a{b=c} 1"] {
            assert!(Page::parse(text).is_err(), "{text}");
        }
    }
}
