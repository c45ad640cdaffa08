//! The models.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use loom::sync::{Condvar, Mutex};
use loom::thread;

use crate::attention::{ActiveRings, Attention, Ears};
use crate::flag::Flag;
use crate::gate::Gate;
use crate::primitive::AtomicU32;

pub use crate::awaited::word::{a_dropped_future, a_replaced_waker};
pub use crate::histogram::windows::{closed_windows, maxima};
pub use crate::names::publication::a_name_that_is_found;
pub use crate::pool::ends::{buffer_dropped_elsewhere, last_buffer_and_last_handle, thread_ends};
pub use crate::tasks::ringing::bells;

/// Bounds what is tried: so many times may a thread be interrupted where it need not be. Two find
/// what goes wrong between two threads. `LOOM_MAX_PREEMPTIONS` in the environment raises the bound, for
/// those who have the time.
pub(crate) fn check(interruptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    let asked_for = builder.preemption_bound.unwrap_or(0);
    builder.preemption_bound = Some(interruptions.max(asked_for));
    builder.check(model);
}

/// A ring as far as the hand-over goes.
#[derive(Debug, Default)]
struct Ring {
    /// Operations queued, under the submission lock.
    queued: Mutex<u32>,
}

impl Ring {
    /// Hands over what is queued, and says how much that was.
    fn hand_over(&self) -> u32 {
        std::mem::take(&mut *self.queued.lock().unwrap())
    }
}

/// A submitter and a poller that goes to sleep meanwhile, as `submit::leave` and `sleep::sleep` do it.
/// The poller sees work on ring 0; the submitter's is on `ring`. `late`: the poller announces its sleep
/// after it has handed over, which is wrong.
fn sleep_and_submit(ring: usize, late: bool) {
    check(4, move || {
        let rings = Arc::new([Ring::default(), Ring::default()]);
        let active = Arc::new(ActiveRings::new(2));
        let attention = Arc::new(Attention::default());
        assert!(active.iter().next().is_none() && !attention.nobody_else_submits());
        let submitter = {
            let (rings, active, attention) = (rings.clone(), active.clone(), attention.clone());
            thread::spawn(move || {
                let mut queued = rings[ring].queued.lock().unwrap();
                *queued += 1;
                active.mark(ring);
                if attention.nobody_else_submits() {
                    *queued = 0;
                    drop(queued);
                    return attention.is_deaf_to(ring);
                }
                false
            })
        };
        // The rings that the poller sleeps for, if it does.
        let one = active.iter().next().unwrap_or(0);
        if !late {
            attention.park(Ears::Ring(one));
        }
        let alone = active.iter().all(|ring| ring == one);
        if alone {
            active.mark(one);
            rings[one].hand_over();
        }
        if late {
            attention.park(Ears::Ring(one));
        }
        let wakes = submitter.join().unwrap();
        if alone {
            assert_eq!(*rings[ring].queued.lock().unwrap(), 0, "queued while the poller sleeps");
            assert!(wakes || ring == one, "completes unheard while the poller sleeps");
        }
    });
}

/// The submitter's ring is the one that the poller sleeps in.
pub fn sleeper_in_the_submitters_ring() {
    sleep_and_submit(0, false);
}

/// As before, with the steps in the wrong order: this does not hold.
pub fn late_announcement() {
    sleep_and_submit(0, true);
}

/// The submitter's ring is another than the one that the poller is about to sleep in.
pub fn deaf_sleeper() {
    sleep_and_submit(1, false);
}

/// Threads that want in, one of them for good.
pub fn gate_lets_everyone_in() {
    check(4, || {
        // SAFETY: for several threads.
        let gate = Arc::new(unsafe { Gate::new(0, false) });
        assert!(gate.try_enter().is_some() && !gate.take_note());
        let other = {
            let gate = gate.clone();
            thread::spawn(move || *gate.enter(None).expect("no deadline") += 1)
        };
        *gate.enter(None).expect("no deadline") += 1;
        other.join().unwrap();
        assert_eq!(*gate.enter(None).expect("no deadline"), 2, "two were inside at a time");
    });
}

/// Who finds the gate closed either gets in or is heeded by the one who leaves.
pub fn gate_heeds_notes() {
    check(4, || {
        // SAFETY: for several threads.
        let gate = Arc::new(unsafe { Gate::new((), false) });
        assert!(gate.try_enter().is_some() && !gate.take_note());
        let other = {
            let gate = gate.clone();
            thread::spawn(move || {
                let inside = gate.try_enter().is_some(); // And out again.
                inside && gate.take_note()
            })
        };
        let entered = gate.try_enter_or_leave_note().is_some();
        let heeded = other.join().unwrap();
        assert!(entered || heeded, "nobody comes again");
    });
}

/// A thread that sleeps until a flag is set, and another that sets it, as `wait_until` and `nudge`.
pub fn flag_ends_the_sleep() {
    check(4, || {
        let flag = Arc::new(Flag::new());
        let attention = Arc::new(Attention::default());
        let before = Arc::new(AtomicU32::new(0));
        assert!(!attention.is_parked() && before.load(Relaxed) == 0);
        let wake = Arc::new((Mutex::new(false), Condvar::new()));
        flag.adopt();
        let setter = {
            let (flag, attention, before, wake) =
                (flag.clone(), attention.clone(), before.clone(), wake.clone());
            thread::spawn(move || {
                before.store(7, Relaxed);
                if flag.set() && attention.is_parked() {
                    *wake.0.lock().unwrap() = true;
                    wake.1.notify_one();
                }
            })
        };
        while !flag.is_set() {
            attention.park(Ears::AllRings);
            if !flag.is_set() {
                let mut woken = wake.0.lock().unwrap();
                while !std::mem::take(&mut *woken) {
                    woken = wake.1.wait(woken).unwrap();
                }
            }
            attention.unpark();
        }
        assert!(flag.take(), "it is set");
        assert_eq!(before.load(Relaxed), 7, "what came before is not seen");
        setter.join().unwrap();
    });
}
