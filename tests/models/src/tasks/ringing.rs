//! The bells of a set of futures, rung while the task looks at them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32 as Count, Ordering};
use std::task::{Wake, Waker};

use loom::thread;

use super::bell::{Bells, Rung};

#[derive(Default)]
struct Task(Count);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A bell that the task does not find rung has woken it, or will.
pub fn bells() {
    loom::model(|| {
        let mut bells = Bells::new();
        bells.make_room(0);
        let task = Arc::new(Task::default());
        let waker = Waker::from(Arc::clone(&task));
        // It rang before, and has been answered.
        bells.listen(&waker);
        bells.ring(0);
        let mut rung = Rung::default();
        rung.begin(&bells);
        assert_eq!(rung.next(&bells), Some(0));
        assert_eq!(rung.next(&bells), None);
        let bell = bells.waker(0);
        let ringer = thread::spawn(move || bell.wake());
        bells.listen(&waker);
        rung.begin(&bells);
        let found = rung.next(&bells).is_some();
        ringer.join().unwrap();
        assert!(found || task.0.load(Ordering::Relaxed) > 1, "nobody comes");
        // The house must not be another run's: its atomics belong to this one.
        std::mem::forget(bells);
    });
}
