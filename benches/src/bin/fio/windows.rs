//! How often a target was missed: p99 of windows, from the histogram logs that both programs write.

use std::fs;
use std::path::Path;
use std::time::Duration;

use aura_bench::Error;
use bffio::stats::bins;

/// A window.
pub(crate) const WINDOW: Duration = Duration::from_millis(100);
/// Fewer I/Os have no p99.
const LEAST_IOS: u64 = 100;

/// The p99 of every window of a log, with the window's time.
pub(crate) fn p99s(log: &Path) -> Result<Vec<(Duration, Duration)>, Error> {
    let text = fs::read_to_string(log).map_err(|error| format!("{}: {error}", log.display()))?;
    let windows = text.lines().map(|line| {
        let numbers = line.split(',').map(|field| field.trim().parse::<u64>());
        let numbers = numbers.collect::<Result<Vec<_>, _>>();
        let numbers = numbers.map_err(|error| format!("{}: {line}: {error}", log.display()))?;
        let [time_ms, _, _, counts @ ..] = &numbers[..] else {
            return Err(format!("{}: a line without bins", log.display()).into());
        };
        Ok(p99(counts).map(|p99| (Duration::from_millis(*time_ms), p99)))
    });
    windows.filter_map(Result::transpose).collect()
}

fn p99(counts: &[u64]) -> Option<Duration> {
    let total: u64 = counts.iter().sum();
    let mut seen = 0;
    let reached = |count: &u64| {
        seen += count;
        seen * 100 >= total * 99
    };
    let bin = counts.iter().position(reached)?;
    (total >= LEAST_IOS).then(|| Duration::from_nanos(bins::value(bin)))
}

/// The share of windows over a target, in percent.
pub(crate) fn over_percent(p99s: &[(Duration, Duration)], target: Duration) -> f64 {
    let over = p99s.iter().filter(|(_, p99)| *p99 > target).count();
    over as f64 * 100.0 / p99s.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_over_the_target_are_counted() {
        let file = tempfile::NamedTempFile::new().expect("writable");
        let line = |time, fast, slow| {
            let mut counts = vec![0; bins::BIN_COUNT];
            counts[bins::index(100_000)] = fast;
            counts[bins::index(5_000_000)] = slow;
            let counts: Vec<String> = counts.iter().map(u64::to_string).collect();
            format!("{time}, 0, 0, {}\n", counts.join(", "))
        };
        let text = [line(100, 990, 10), line(200, 900, 100), line(300, 10, 0)].concat();
        fs::write(file.path(), text).expect("writable");
        let p99s = p99s(file.path()).expect("a log");
        assert_eq!(p99s.len(), 2, "ten I/Os say nothing");
        assert_eq!(over_percent(&p99s, Duration::from_millis(1)), 50.0);
    }
}
