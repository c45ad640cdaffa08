//! How often a target was missed: p99 of windows, from the histogram logs that both programs write.

use std::fs;
use std::path::Path;
use std::time::Duration;

use aura_bench::Error;
use bffio::stats::bins;

/// What a line of a log covers.
pub(crate) const LINE: Duration = Duration::from_millis(100);
/// Lines of a window of a second.
const LINES_PER_SECOND: usize = 10;
/// Fewer I/Os have no p99.
const LEAST_IOS: u64 = 100;

/// The p99 of all windows.
#[derive(Debug, Default)]
pub(crate) struct Windows {
    /// Of a tenth of a second each.
    tenths: Vec<Duration>,
    /// Of a second each.
    seconds: Vec<Duration>,
}

impl Windows {
    /// Adds those of a log, after `from`.
    pub(crate) fn add(&mut self, log: &Path, from: Duration) -> Result<(), Error> {
        let text =
            fs::read_to_string(log).map_err(|error| format!("{}: {error}", log.display()))?;
        let lines = text.lines().map(|line| {
            let parsed = parse(line).map_err(|error| format!("{}: {error}: {line}", log.display()));
            Ok(parsed?)
        });
        let lines = lines.collect::<Result<Vec<_>, Error>>()?;
        let lines = lines.into_iter().filter(|(time, _)| *time >= from);
        let counts: Vec<Vec<u64>> = lines.map(|(_, counts)| counts).collect();
        self.tenths.extend(counts.iter().filter_map(|counts| p99(counts)));
        let seconds = counts.chunks_exact(LINES_PER_SECOND).map(|lines| {
            let bins = (0..lines[0].len()).map(|bin| lines.iter().map(|line| line[bin]).sum());
            bins.collect::<Vec<u64>>()
        });
        self.seconds.extend(seconds.filter_map(|counts| p99(&counts)));
        Ok(())
    }

    /// The share of tenths of a second over a target, in percent.
    pub(crate) fn tenths_over_percent(&self, target: Duration) -> f64 {
        over_percent(&self.tenths, target)
    }

    /// The same of seconds.
    pub(crate) fn seconds_over_percent(&self, target: Duration) -> f64 {
        over_percent(&self.seconds, target)
    }

    /// How many seconds there are.
    pub(crate) fn seconds(&self) -> usize {
        self.seconds.len()
    }
}

/// A line's time and its bins.
fn parse(line: &str) -> Result<(Duration, Vec<u64>), Error> {
    let numbers = line.split(',').map(|field| field.trim().parse::<u64>());
    let numbers = numbers.collect::<Result<Vec<_>, _>>()?;
    let [time_ms, _, _, counts @ ..] = &numbers[..] else { return Err("no bins".into()) };
    if counts.len() != bins::BIN_COUNT {
        return Err(format!("{} bins instead of {}", counts.len(), bins::BIN_COUNT).into());
    }
    Ok((Duration::from_millis(*time_ms), counts.to_vec()))
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

fn over_percent(p99s: &[Duration], target: Duration) -> f64 {
    let over = p99s.iter().filter(|p99| **p99 > target).count();
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
        // Six tenths of the second miss it, the second as a whole does not.
        let early = line(100, 0, 1000);
        let kept = (2..6).map(|tenth| line(tenth * 100, 10_000, 10));
        let missed = (6..12).map(|tenth| line(tenth * 100, 800, 20));
        let ten = line(1200, 10, 0);
        let text = early + &kept.chain(missed).collect::<String>() + &ten;
        fs::write(file.path(), text).expect("writable");
        let mut windows = Windows::default();
        windows.add(file.path(), Duration::from_millis(150)).expect("a log");
        let target = Duration::from_millis(1);
        assert_eq!(windows.tenths.len(), 10, "ten I/Os say nothing");
        assert_eq!(windows.tenths_over_percent(target), 60.0);
        assert_eq!((windows.seconds(), windows.seconds_over_percent(target)), (1, 0.0));
        assert!(parse("1, 2, 3").is_err());
    }
}
