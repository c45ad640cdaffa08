//! Quantities as people read them.

use std::time::Duration;

/// Three digits and a prefix: `12.3k`.
#[must_use]
pub fn count(number: f64) -> String {
    scaled(number, 1000.0, &["", "k", "M", "G"])
}

/// `12.3MiB/s`.
#[must_use]
pub fn bandwidth(bytes_per_s: f64) -> String {
    format!("{}/s", bytes(bytes_per_s))
}

/// `12.3MiB`.
#[must_use]
pub fn bytes(bytes: f64) -> String {
    scaled(bytes, 1024.0, &["B", "KiB", "MiB", "GiB", "TiB"])
}

/// `850us`, `1.25ms`, `3.20s`.
#[must_use]
pub fn latency(latency: Duration) -> String {
    match latency.as_secs_f64() {
        seconds if seconds < 0.9995e-3 => format!("{:.0}us", seconds * 1e6),
        seconds if seconds < 0.9995 => format!("{}ms", three_digits(seconds * 1e3)),
        seconds => format!("{}s", three_digits(seconds)),
    }
}

/// `00m:05s`, `02h:10m:00s`.
#[must_use]
pub fn clock(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    let rest = format!("{minutes:02}m:{:02}s", seconds % 60);
    match (days, hours) {
        (0, 0) => rest,
        (0, _) => format!("{hours:02}h:{rest}"),
        _ => format!("{days:02}d:{hours:02}h:{rest}"),
    }
}

fn scaled(number: f64, base: f64, prefixes: &[&str]) -> String {
    let mut number = number.max(0.0);
    let mut prefixes = prefixes.iter().peekable();
    let mut prefix = prefixes.next().copied().unwrap_or_default();
    let mut is_scaled = false;
    while number >= 999.5 && prefixes.peek().is_some() {
        number /= base;
        prefix = prefixes.next().copied().unwrap_or_default();
        is_scaled = true;
    }
    if is_scaled {
        format!("{}{prefix}", three_digits(number))
    } else {
        format!("{number:.0}{prefix}")
    }
}

fn three_digits(number: f64) -> String {
    match number {
        number if number < 9.995 => format!("{number:.2}"),
        number if number < 99.95 => format!("{number:.1}"),
        number => format!("{number:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_and_a_unit() {
        assert_eq!(
            [count(0.0), count(999.0), count(1500.0), count(2_345_678.0)],
            ["0", "999", "1.50k", "2.35M"]
        );
        assert_eq!([bandwidth(512.0), bandwidth(1024.0 * 1536.0)], ["512B/s", "1.50MiB/s"]);
        let us = Duration::from_micros;
        assert_eq!(
            [latency(us(85)), latency(us(1250)), latency(us(3_200_000))],
            ["85us", "1.25ms", "3.20s"]
        );
        let s = Duration::from_secs;
        assert_eq!(
            [clock(s(5)), clock(s(7800)), clock(s(90_000))],
            ["00m:05s", "02h:10m:00s", "01d:01h:00m:00s"]
        );
    }
}
