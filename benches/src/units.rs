//! Sizes and times, on the command line and in tables.

use std::time::Duration;

/// Parses a size: a number and optionally `K`, `KiB`, `M`, `MiB`, `G` or `GiB`, all powers of 1024.
///
/// # Errors
///
/// What is wrong with the text.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text)?;
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1u64,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        _ => return Err(format!("{unit:?} is no unit of size; KiB, MiB and GiB are")),
    };
    let bytes = number * factor as f64;
    if bytes < 1.0 || bytes > i64::MAX as f64 {
        return Err("a size is at least one byte, and less than 8 EiB".into());
    }
    Ok(bytes as u64)
}

/// Parses a time: a number and `us`, `ms` or `s`; without a unit, milliseconds.
///
/// # Errors
///
/// What is wrong with the text.
pub fn parse_latency(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text)?;
    let seconds = match unit {
        "us" | "µs" => number / 1e6,
        "" | "ms" => number / 1e3,
        "s" => number,
        _ => return Err(format!("{unit:?} is no unit of time; us, ms and s are")),
    };
    if !(1e-6..=3600.0).contains(&seconds) {
        return Err("a latency is between 1 us and one hour".into());
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// Parses a number of seconds, fractions allowed.
///
/// # Errors
///
/// What is wrong with the text.
pub fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| format!("{text:?} is no number"))?;
    if !(0.05..=86_400.0).contains(&seconds) {
        return Err("between 0.05 and 86400 seconds".into());
    }
    Ok(Duration::from_secs_f64(seconds))
}

fn split(text: &str) -> Result<(f64, &str), String> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number = number.parse().map_err(|_| format!("{text:?} does not begin with a number"))?;
    Ok((number, unit.trim()))
}

/// A size for people: `1.5 GiB`.
#[must_use]
pub fn size(bytes: u64) -> String {
    let units = [("GiB", 1u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match units.into_iter().find(|(_, factor)| bytes >= *factor) {
        Some((unit, factor)) if bytes.is_multiple_of(factor) => {
            format!("{} {unit}", bytes / factor)
        }
        Some((unit, factor)) => format!("{:.1} {unit}", bytes as f64 / factor as f64),
        None => format!("{bytes} B"),
    }
}

/// A latency for people, three digits: `87 µs`, `1.03 ms`.
#[must_use]
pub fn latency(nanoseconds: u64) -> String {
    match nanoseconds {
        0..1_000 => format!("{nanoseconds} ns"),
        1_000..1_000_000 => format!("{} µs", nanoseconds / 1_000),
        1_000_000..10_000_000 => format!("{:.2} ms", nanoseconds as f64 / 1e6),
        _ => format!("{:.0} ms", nanoseconds as f64 / 1e6),
    }
}

/// A rate for people, in thousands: `118.4 K`.
#[must_use]
pub fn rate(per_second: f64) -> String {
    if per_second < 1_000.0 {
        format!("{per_second:.0}")
    } else {
        format!("{:.1} K", per_second / 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_take_the_usual_units() {
        assert_eq!(parse_size("4096"), Ok(4096));
        assert_eq!(parse_size("64MiB"), Ok(64 << 20));
        assert_eq!(parse_size("1.5g"), Ok(3 << 29));
        for wrong in ["", "MiB", "0", "-1", "1 parsec", "1e30", "9999999999G", "1.2.3K"] {
            assert!(parse_size(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn latencies_take_the_usual_units() {
        assert_eq!(parse_latency("1ms"), Ok(Duration::from_millis(1)));
        assert_eq!(parse_latency("0.5"), Ok(Duration::from_micros(500)));
        assert_eq!(parse_latency("250 us"), Ok(Duration::from_micros(250)));
        for wrong in ["", "0", "-1ms", "1 h", "2000000s"] {
            assert!(parse_latency(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn seconds_are_finite_and_positive() {
        assert_eq!(parse_seconds("0.5"), Ok(Duration::from_millis(500)));
        for wrong in ["", "0", "-1", "inf", "NaN", "1e9", "one"] {
            assert!(parse_seconds(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn figures_are_written_for_people() {
        assert_eq!(size(1 << 30), "1 GiB");
        assert_eq!(size(3 << 29), "1.5 GiB");
        assert_eq!(latency(87_400), "87 µs");
        assert_eq!(latency(1_030_000), "1.03 ms");
        assert_eq!(rate(118_400.0), "118.4 K");
    }
}
