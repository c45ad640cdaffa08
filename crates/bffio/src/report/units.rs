//! Numbers with prefixes, and dates, as fio writes them.

use std::time::{SystemTime, UNIX_EPOCH};

/// Prefixes of thousands, and of powers of 1024.
const DECIMAL: [&str; 6] = ["", "k", "M", "G", "T", "P"];
const BINARY: [&str; 6] = ["", "Ki", "Mi", "Gi", "Ti", "Pi"];

/// A number with at most so many digits: `32.4k`, `1151Mi`, `776949` (with six).
pub(super) fn number(value: u64, digits_max: usize, binary: bool) -> String {
    let (thousand, prefixes) = if binary { (1024.0, BINARY) } else { (1000.0, DECIMAL) };
    let mut scaled = value as f64;
    let mut prefix = 0;
    let digits = |scaled: f64| (scaled as u64).to_string().len();
    while digits(scaled) > digits_max && prefix + 1 < prefixes.len() {
        scaled /= thousand;
        prefix += 1;
    }
    let decimals = if prefix == 0 { 0 } else { digits_max.saturating_sub(digits(scaled) + 1) };
    format!("{scaled:.decimals$}{}", prefixes[prefix])
}

/// Bytes: `127MiB`; decimal: `133MB`.
pub(super) fn bytes(value: u64, digits: usize, binary: bool) -> String {
    format!("{}B", number(value, digits, binary))
}

/// Bytes per second: `126MiB/s`; in bits if wanted.
pub(super) fn rate(bytes_per_s: u64, digits: usize, binary: bool, bits: bool) -> String {
    match bits {
        true => format!("{}bit/s", number(bytes_per_s * 8, digits, binary)),
        false => format!("{}B/s", number(bytes_per_s, digits, binary)),
    }
}

/// A date as C's `ctime` writes it, in UTC: `Sat Nov 21 13:13:04 2026`.
pub(super) fn date(time: SystemTime) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    format!(
        "{} {} {day:2} {:02}:{:02}:{:02} {year}",
        DAYS[(days % 7) as usize],
        MONTHS[month],
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

/// Year, month (from 0) and day of a number of days since 1970.
fn civil(days: u64) -> (u64, usize, u64) {
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let (mut year, mut left) = (1970, days);
    while left >= 365 + u64::from(is_leap(year)) {
        left -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while left >= months[month] {
        left -= months[month];
        month += 1;
    }
    (year, month, left + 1)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn numbers_keep_to_their_digits() {
        for (value, digits, binary, expected) in [
            (32_396, 4, false, "32.4k"),
            (9_999, 4, false, "9999"),
            (10_000, 4, false, "10.0k"),
            (133_280_000, 4, false, "133M"),
            (132_514_496, 4, true, "126Mi"),
            (1_048_576, 4, true, "1024Ki"),
            (776_949, 6, false, "776949"),
            (1_621_700, 6, false, "1621.7k"),
            (0, 4, true, "0"),
        ] {
            assert_eq!(number(value, digits, binary), expected);
        }
        assert_eq!(rate(1 << 20, 4, true, true), "8192Kibit/s");
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0, "Thu Jan  1 00:00:00 1970"),
            (951_782_399, "Mon Feb 28 23:59:59 2000"),
            (951_782_400, "Tue Feb 29 00:00:00 2000"),
            (1_795_266_784, "Sat Nov 21 13:13:04 2026"),
        ] {
            assert_eq!(date(UNIX_EPOCH + Duration::from_secs(seconds)), expected);
        }
    }
}
