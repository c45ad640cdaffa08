//! One log: entries as they come, or averaged over windows.

use std::io::{self, Write};

use crate::job::{Direction, PerDirection};

/// A line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) time_ms: u64,
    pub(super) value: u64,
    pub(super) direction: Direction,
    pub(super) length: u32,
    pub(super) offset: u64,
}

/// The lines of a log.
#[derive(Debug)]
pub(super) struct Series {
    entries: Vec<Entry>,
    window_ms: Option<u64>,
    /// The largest value of a window stands for it, not the average.
    maximum: bool,
    windows: PerDirection<Window>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Window {
    ends_ms: u64,
    /// When its last value came.
    last_ms: u64,
    count: u64,
    sum: u64,
    max: u64,
}

impl Series {
    pub(super) fn new(window_ns: Option<u64>, maximum: bool) -> Self {
        let window_ms = window_ns.map(|time| (time / 1_000_000).max(1));
        Self { entries: Vec::new(), window_ms, maximum, windows: PerDirection::default() }
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.windows = PerDirection::default();
    }

    /// Adds a value of one I/O.
    pub(super) fn add(&mut self, entry: Entry) {
        let Some(window_ms) = self.window_ms else { return self.push(entry) };
        let window = &mut self.windows[entry.direction];
        if window.ends_ms == 0 {
            window.ends_ms = window_ms;
        }
        if entry.time_ms >= window.ends_ms {
            let over = std::mem::take(window);
            window.ends_ms = (entry.time_ms / window_ms + 1) * window_ms;
            self.end(over, over.ends_ms, entry.direction);
        }
        let window = &mut self.windows[entry.direction];
        window.last_ms = entry.time_ms;
        window.count += 1;
        window.sum += entry.value;
        window.max = window.max.max(entry.value);
    }

    /// Adds a line as it is.
    pub(super) fn push(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    fn end(&mut self, window: Window, time_ms: u64, direction: Direction) {
        if let Some(average) = window.sum.checked_div(window.count) {
            let value = if self.maximum { window.max } else { average };
            self.push(Entry { time_ms, value, direction, length: 0, offset: 0 });
        }
    }

    /// Writes fio's lines: time, value, direction, block size, offset if wanted, priority.
    pub(super) fn write(
        mut self,
        out: &mut dyn Write,
        epoch_ms: u64,
        with_offset: bool,
    ) -> io::Result<()> {
        for direction in Direction::ALL {
            let window = std::mem::take(&mut self.windows[direction]);
            // The last one ends where the job did.
            self.end(window, window.last_ms, direction);
        }
        self.entries.sort_by_key(|entry| entry.time_ms);
        for entry in &self.entries {
            let Entry { time_ms, value, direction, length, offset } = entry;
            let (time_ms, direction) = (epoch_ms + time_ms, number(*direction));
            if with_offset {
                writeln!(out, "{time_ms}, {value}, {direction}, {length}, {offset}, 0")?;
            } else {
                writeln!(out, "{time_ms}, {value}, {direction}, {length}, 0")?;
            }
        }
        Ok(())
    }
}

/// fio's number of a direction.
pub(super) fn number(direction: Direction) -> u32 {
    match direction {
        Direction::Read => 0,
        Direction::Write => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(series: Series, with_offset: bool) -> Vec<String> {
        let mut out = Vec::new();
        series.write(&mut out, 0, with_offset).expect("memory");
        String::from_utf8(out).expect("text").lines().map(str::to_owned).collect()
    }

    #[test]
    fn without_a_window_every_io_is_a_line() {
        let mut series = Series::new(None, false);
        let direction = Direction::Write;
        series.add(Entry { time_ms: 3, value: 99, direction, length: 4096, offset: 8192 });
        assert_eq!(lines(series, true), ["3, 99, 1, 4096, 8192, 0"]);
    }

    #[test]
    fn windows_are_averaged_by_direction() {
        let mut series = Series::new(Some(100_000_000), false);
        for (time_ms, value, direction) in [
            (0, 10, Direction::Read),
            (99, 20, Direction::Read),
            (50, 7, Direction::Write),
            (100, 40, Direction::Read),
            (350, 60, Direction::Read),
        ] {
            series.add(Entry { time_ms, value, direction, length: 512, offset: 0 });
        }
        let expected =
            ["100, 15, 0, 0, 0", "200, 40, 0, 0, 0", "350, 60, 0, 0, 0", "50, 7, 1, 0, 0"];
        let mut seen = lines(series, false);
        seen.sort();
        assert_eq!(seen, expected);
    }

    #[test]
    fn the_largest_can_stand_for_a_window() {
        let mut series = Series::new(Some(100_000_000), true);
        for value in [1, 9, 2] {
            let direction = Direction::Read;
            series.add(Entry { time_ms: 1, value, direction, length: 512, offset: 0 });
        }
        assert_eq!(lines(series, false), ["1, 9, 0, 0, 0"]);
    }
}
