//! Numbers on the command line.

use std::time::Duration;

/// Parses a count, which may be written as `1e8` or with underscores.
///
/// # Errors
///
/// What is wrong with the text.
pub fn parse_count(text: &str) -> Result<u64, String> {
    let plain = text.replace('_', "");
    if let Ok(count) = plain.parse::<u64>() {
        return if count > 0 { Ok(count) } else { Err("at least 1".into()) };
    }
    match plain.parse::<f64>() {
        Ok(count) if (1.0..=1e15).contains(&count) && count.fract() == 0.0 => Ok(count as u64),
        _ => Err(format!("{text:?} is no count; 1000000 and 1e6 are")),
    }
}

/// Parses a seed, decimal or hexadecimal (`0x…`).
///
/// # Errors
///
/// What is wrong with the text.
pub fn parse_seed(text: &str) -> Result<u64, String> {
    let seed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    seed.map_err(|_| format!("{text:?} is no seed; 1 and 0x5eed are"))
}

/// Parses a number of seconds, fractions allowed.
///
/// # Errors
///
/// What is wrong with the text.
pub fn parse_seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.01..=1e6).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err(format!("{text:?} is no number of seconds between 0.01 and 1000000")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_may_be_written_as_powers_of_ten() {
        assert_eq!(parse_count("1e8"), Ok(100_000_000));
        assert_eq!(parse_count("1_000"), Ok(1000));
        for wrong in ["0", "-1", "1.5", "1e99", "many", "NaN", ""] {
            assert!(parse_count(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn seeds_may_be_hexadecimal() {
        assert_eq!(parse_seed("0x5eed"), Ok(0x5eed));
        assert_eq!(parse_seed("18446744073709551615"), Ok(u64::MAX));
        assert!(parse_seed("-1").is_err());
    }

    #[test]
    fn seconds_are_positive_and_finite() {
        assert_eq!(parse_seconds("0.5"), Ok(Duration::from_millis(500)));
        for wrong in ["0", "-1", "inf", "NaN", "soon"] {
            assert!(parse_seconds(wrong).is_err(), "{wrong}");
        }
    }
}
