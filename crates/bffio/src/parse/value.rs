//! The text of an option's value, and how it is read.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::expression::{Problem, evaluate};
use crate::job::{Amount, PerDirection};

/// Unit of a time without one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum TimeUnit {
    Seconds,
    Milliseconds,
    Microseconds,
}

/// Text of a value, or a part of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value<'a> {
    pub(super) text: &'a str,
    /// Whether `k` is 1024 (and `ki` 1000), or the other way round: fio's `kb_base`.
    pub(super) kb_base: u32,
}

impl<'a> Value<'a> {
    /// A part of this value.
    pub(super) fn part(&self, text: &'a str) -> Self {
        Self { text: text.trim(), ..*self }
    }

    /// The parts between `separator`s.
    pub(super) fn split(&self, separator: char) -> impl Iterator<Item = Self> {
        let whole = *self;
        whole.text.split(separator).map(move |text| whole.part(text))
    }

    pub(super) fn text(&self) -> Result<&'a str, Problem> {
        if self.text.is_empty() { Err("a value is missing".to_owned()) } else { Ok(self.text) }
    }

    /// `1` or `0`.
    pub(super) fn boolean(&self) -> Result<bool, Problem> {
        match self.text()? {
            "1" | "true" => Ok(true),
            "0" | "false" => Ok(false),
            _ => Err("write 1 or 0".to_owned()),
        }
    }

    /// As [`Value::boolean`]; nothing means yes.
    pub(super) fn flag(&self) -> Result<bool, Problem> {
        if self.text.is_empty() { Ok(true) } else { self.boolean() }
    }

    pub(super) fn count(&self, allowed: RangeInclusive<u32>) -> Result<u32, Problem> {
        let number = self.integer()?;
        u32::try_from(number).ok().filter(|count| allowed.contains(count)).ok_or_else(|| {
            match (*allowed.start(), *allowed.end()) {
                (start, u32::MAX) if number < i128::from(start) => {
                    format!("{number} is too small, {start} is the least")
                }
                (start, end) => format!("{number} is not from {start} to {end}"),
            }
        })
    }

    /// A whole number, also with the units of sizes (`1k` is 1024).
    pub(super) fn integer(&self) -> Result<i128, Problem> {
        evaluate(self.text()?, &|unit| size_unit(unit, self.kb_base))
    }

    pub(super) fn bytes(&self) -> Result<u64, Problem> {
        let number = self
            .integer()
            .map_err(|problem| format!("{problem}; sizes are written 4096, 64k, 16m, 2g or 1t"))?;
        u64::try_from(number).map_err(|_| format!("{number} is not a size"))
    }

    pub(super) fn bytes_positive(&self) -> Result<u64, Problem> {
        match self.bytes()? {
            0 => Err("must not be 0".to_owned()),
            bytes => Ok(bytes),
        }
    }

    /// Bytes, or percent of the file.
    pub(super) fn amount(&self) -> Result<Amount, Problem> {
        match self.text()?.strip_suffix('%') {
            None => self.bytes().map(Amount::Bytes),
            Some(percent) => self.part(percent).count(0..=100).map(Amount::Percent),
        }
    }

    pub(super) fn duration(&self, default: TimeUnit) -> Result<Duration, Problem> {
        let microseconds = |unit: &str| {
            Some(match unit {
                "d" => 86_400_000_000,
                "h" => 3_600_000_000,
                "m" => 60_000_000,
                "s" | "sec" => 1_000_000,
                "ms" | "msec" => 1000,
                "us" | "usec" => 1,
                _ => return None,
            })
        };
        let text = self.text()?;
        let number = evaluate(text, &microseconds).map_err(|problem| {
            format!("{problem}; times are written 10s, 2m, 1h, 500ms or 100us")
        })?;
        let factor = if text.ends_with(|last: char| last.is_ascii_alphabetic()) {
            1
        } else {
            match default {
                TimeUnit::Seconds => 1_000_000,
                TimeUnit::Milliseconds => 1000,
                TimeUnit::Microseconds => 1,
            }
        };
        let number = number.checked_mul(factor).ok_or_else(|| format!("{text:?} is too long"))?;
        u64::try_from(number)
            .map(Duration::from_micros)
            .map_err(|_| format!("{text:?} is not a time"))
    }

    pub(super) fn fraction(&self, allowed: RangeInclusive<f64>) -> Result<f64, Problem> {
        let number: f64 =
            self.text()?.parse().map_err(|_| "write a number, such as 1.2".to_owned())?;
        if allowed.contains(&number) {
            Ok(number)
        } else {
            Err(format!("{number} is not from {} to {}", allowed.start(), allowed.end()))
        }
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Result<T, Problem> {
        let text = self.text()?;
        choices.iter().find(|(name, _)| *name == text).map(|(_, value)| *value).ok_or_else(|| {
            let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
            format!("write one of {}", names.join(", "))
        })
    }

    /// `reads,writes,trims`: one alone counts for all, the last given for those that follow, an empty one
    /// leaves what there was.
    pub(super) fn per_direction<T>(
        &self,
        read: impl Fn(&Self) -> Result<T, Problem>,
    ) -> Result<PerDirection<Option<T>>, Problem> {
        let parts: Vec<_> = self.split(',').collect();
        if parts.len() > 3 {
            return Err("at most three values, for reads, writes and trims".to_owned());
        }
        let value =
            |part: &Self| if part.text.is_empty() { Ok(None) } else { read(part).map(Some) };
        self.text()?;
        Ok(PerDirection {
            read: value(&parts[0])?,
            write: value(parts.get(1).unwrap_or(&parts[0]))?,
        })
    }

    /// `low-high`, or one value for both.
    pub(super) fn range<T: PartialOrd + Copy>(
        &self,
        read: impl Fn(&Self) -> Result<T, Problem>,
    ) -> Result<(T, T), Problem> {
        let (low, high) = match self.text()?.split_once('-') {
            Some((low, high)) => (read(&self.part(low))?, read(&self.part(high))?),
            None => {
                let value = read(self)?;
                (value, value)
            }
        };
        if low <= high {
            Ok((low, high))
        } else {
            Err("the range ends before it begins".to_owned())
        }
    }
}

/// Factor of a unit of size. By default fio inverts the prefixes, so that `4k` is 4096, and `4kib` 4000.
fn size_unit(unit: &str, kb_base: u32) -> Option<i128> {
    if unit == "b" {
        return Some(1);
    }
    let (prefix, rest) = unit.split_at_checked(1)?;
    let power = match prefix {
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return None,
    };
    let is_inverted = match rest {
        "ib" => true,
        "" | "b" | "i" => false,
        _ => return None,
    };
    let base: i128 = if (kb_base == 1000) == is_inverted { 1024 } else { 1000 };
    Some(base.pow(power))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Value<'_> {
        Value { text, kb_base: 1024 }
    }

    #[test]
    fn sizes_have_fios_inverted_prefixes() {
        for (text, bytes) in [
            ("512", 512),
            ("4k", 4096),
            ("4K", 4096),
            ("4kb", 4096),
            ("4kib", 4000),
            ("1m", 1 << 20),
            ("1Mi", 1 << 20),
            ("1MiB", 1_000_000),
            ("2g", 2 << 30),
            ("1t", 1 << 40),
            ("10b", 10),
            ("0x1000", 4096),
        ] {
            assert_eq!(value(text).bytes(), Ok(bytes), "{text}");
        }
        let si = Value { text: "4k", kb_base: 1000 };
        assert_eq!((si.bytes(), si.part("4kib").bytes()), (Ok(4000), Ok(4096)));
        for text in ["", "4q", "4kk", "k", "4bi", "-4k", "1.5g", "4k8"] {
            assert!(value(text).bytes().is_err(), "{text}");
        }
    }

    #[test]
    fn times_without_unit_take_the_options_own() {
        assert_eq!(value("5").duration(TimeUnit::Seconds), Ok(Duration::from_secs(5)));
        assert_eq!(value("5").duration(TimeUnit::Microseconds), Ok(Duration::from_micros(5)));
        assert_eq!(value("2m").duration(TimeUnit::Seconds), Ok(Duration::from_secs(120)));
        assert_eq!(value("2ms").duration(TimeUnit::Seconds), Ok(Duration::from_millis(2)));
        assert_eq!(value("1d").duration(TimeUnit::Seconds), Ok(Duration::from_secs(86_400)));
        assert!(value("5x").duration(TimeUnit::Seconds).is_err());
        assert!(value("-5").duration(TimeUnit::Seconds).is_err());
    }

    #[test]
    fn one_value_counts_for_both_directions_and_an_empty_one_for_none() {
        let read = |text| value(text).per_direction(|part| part.bytes());
        assert_eq!(read("4k"), Ok(PerDirection { read: Some(4096), write: Some(4096) }));
        assert_eq!(read("4k,8k"), Ok(PerDirection { read: Some(4096), write: Some(8192) }));
        assert_eq!(read(",8k"), Ok(PerDirection { read: None, write: Some(8192) }));
        assert_eq!(read("8k,"), Ok(PerDirection { read: Some(8192), write: None }));
        assert!(read("1,2,3,4").is_err());
    }
}
