//! Numbers of files that were given away: a descriptor is closed, a place in the table of registered
//! files gets another file. What was in flight on them must not be [repeated](crate::repeat) then: it
//! would meet the file that has the number now.
//!
//! Closing is frequent and repeating rare. So a close only notes the number and the time, and a repetition
//! asks whether its number was given away since it was submitted.
//!
//! # Synchronization
//!
//! Part of what a ring's submission lock guards. Times are those of the ring's batches, which never fall;
//! giving a number away separates those before it from those after.

use std::collections::HashMap;

use aura_ring::Sqe;

use crate::slots::Slots;

/// Notes that are kept before the first are thrown away.
const TIDY_AT: usize = 512;

/// How an operation names its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum FileName {
    Descriptor(i32),
    /// In the table of registered files.
    Place(i32),
    EveryPlace,
}

impl FileName {
    pub(crate) fn of(sqe: &Sqe) -> Self {
        let number = sqe.raw_fd();
        if sqe.is_registered_file() { Self::Place(number) } else { Self::Descriptor(number) }
    }
}

/// What was given away while operations were in flight on one ring.
#[derive(Debug)]
pub(crate) struct GivenAway {
    /// What was submitted then or before may have meant the file that had the number until then.
    at_ns: HashMap<FileName, u64>,
    tidy_at: usize,
}

impl Default for GivenAway {
    fn default() -> Self {
        Self { at_ns: HashMap::new(), tidy_at: TIDY_AT }
    }
}

impl GivenAway {
    /// What was submitted so far on `name` is not to be repeated.
    pub(crate) fn note(&mut self, name: FileName, now_ns: u64, slots: &Slots) {
        self.at_ns.insert(name, now_ns);
        if self.at_ns.len() >= self.tidy_at {
            let oldest_ns = slots.oldest_in_flight_ns();
            self.at_ns.retain(|_, at_ns| *at_ns >= oldest_ns);
            // Looking through the slots is paid for by as many notes.
            self.tidy_at = TIDY_AT.max(2 * self.at_ns.len());
        }
    }

    /// Nothing is in flight that could be repeated.
    pub(crate) fn forget(&mut self) {
        self.at_ns.clear();
    }

    /// Whether the number of an operation's file was given away since it was submitted.
    pub(crate) fn includes(&self, sqe: &Sqe, submitted_ns: u64) -> bool {
        let since = |name| self.at_ns.get(&name).is_some_and(|at_ns| submitted_ns <= *at_ns);
        since(FileName::of(sqe)) || sqe.is_registered_file() && since(FileName::EveryPlace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::OpKind;
    use crate::tenant::Callback;
    use aura_ring::Target;

    fn on(number: i32) -> Sqe {
        Sqe::fsync(Target::Fd(number))
    }

    #[test]
    fn descriptors_and_places_are_different_names() {
        let (slots, _free) = Slots::new(1).unwrap();
        let mut given_away = GivenAway::default();
        let place = Sqe::fsync(Target::Registered(7));
        given_away.note(FileName::Descriptor(7), 10, &slots);
        assert!(given_away.includes(&on(7), 10) && !given_away.includes(&on(7), 11));
        assert!(!given_away.includes(&place, 10) && !given_away.includes(&on(8), 10));
        given_away.note(FileName::EveryPlace, 20, &slots);
        assert!(given_away.includes(&place, 20) && !given_away.includes(&place, 21));
        assert!(!given_away.includes(&on(8), 20));
        given_away.forget();
        assert!(!given_away.includes(&on(7), 10) && !given_away.includes(&place, 20));
    }

    #[test]
    fn notes_go_that_concern_nothing_in_flight_and_no_others() {
        const AT_NS: u64 = 1_500;
        let (slots, mut free) = Slots::new(1).unwrap();
        let (_, slot) = slots.pop(&mut free).unwrap();
        let word = std::ptr::null_mut();
        // SAFETY: one thread, which has just popped the slot; there is nothing to drop.
        unsafe { slot.occupy(OpKind::Fsync, &on(3), 0, AT_NS, word, Callback(|_| ())) };
        let mut given_away = GivenAway::default();
        for at_ns in 0..3_000 {
            given_away.note(FileName::Descriptor(at_ns as i32), at_ns, &slots);
            assert!(given_away.at_ns.len() < 2 * TIDY_AT + AT_NS as usize);
        }
        let is_noted = |at_ns: &u64| given_away.includes(&on(*at_ns as i32), *at_ns);
        assert!((AT_NS..3_000).all(|at_ns| is_noted(&at_ns)));
        assert_eq!((0..AT_NS).filter(is_noted).count(), 0);
    }
}
