//! Every operation by number: each has to be entered exactly once, as completed, refused or abandoned.

use std::ops::Range;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

#[derive(Debug)]
pub(crate) struct Ledger {
    /// How often each operation was entered. Relaxed: it is read when all threads have been joined, or the
    /// engine that entered it has been drained.
    entries: Box<[AtomicU8]>,
    /// The first number that nobody has claimed.
    next: AtomicUsize,
}

impl Ledger {
    pub(crate) fn new(operations: usize) -> Self {
        Self {
            entries: (0..operations).map(|_| AtomicU8::new(0)).collect(),
            next: AtomicUsize::new(0),
        }
    }

    /// Up to so many numbers that nobody else has; `None` when there are no more.
    pub(crate) fn claim(&self, count: usize) -> Option<Range<usize>> {
        let first = self.next.fetch_add(count, Ordering::Relaxed);
        let end = (first + count).min(self.entries.len());
        (first < end).then_some(first..end)
    }

    pub(crate) fn enter(&self, number: usize) {
        // Saturation is not needed: more than once is found at the end, whether twice or 256 times and one.
        self.entries[number].fetch_add(1, Ordering::Relaxed);
    }

    /// How many numbers were claimed.
    pub(crate) fn claimed(&self) -> usize {
        self.next.load(Ordering::Relaxed).min(self.entries.len())
    }

    /// What is wrong: operations that were never entered, or more than once.
    pub(crate) fn mistakes(&self) -> Option<String> {
        let claimed = &self.entries[..self.claimed()];
        let count = |is_wrong: fn(u8) -> bool| {
            claimed.iter().filter(|entry| is_wrong(entry.load(Ordering::Relaxed))).count()
        };
        let (lost, double) = (count(|times| times == 0), count(|times| times > 1));
        (lost + double > 0).then(|| {
            format!(
                "of {} operations {lost} never completed, {double} more than once",
                claimed.len()
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_given_out_once() {
        let ledger = Ledger::new(10);
        assert_eq!(ledger.claim(4), Some(0..4));
        assert_eq!(ledger.claim(8), Some(4..10));
        assert_eq!(ledger.claim(1), None);
        assert_eq!(ledger.claimed(), 10);
    }

    #[test]
    fn lost_and_double_completions_are_found() {
        let ledger = Ledger::new(3);
        let numbers = ledger.claim(2).expect("there are three");
        numbers.clone().for_each(|number| ledger.enter(number));
        assert_eq!(ledger.mistakes(), None, "the third was never claimed");
        ledger.enter(0);
        assert!(ledger.mistakes().expect("double").contains("1 more than once"));
        let ledger = Ledger::new(3);
        ledger.claim(3).expect("there are three");
        assert!(ledger.mistakes().expect("lost").contains("3 never completed"));
    }
}
