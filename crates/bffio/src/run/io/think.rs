//! Pauses between I/Os.

use std::time::Duration;

use super::{Io, LOOK_AROUND_NS};
use crate::run::clock::now_ns;

impl Io<'_> {
    #[inline]
    pub(super) fn think_is_due(&self) -> bool {
        let think = &self.job.think;
        !think.time.is_zero()
            && !self.is_checking
            && (self.until_think == 0
                || !think.io_time.is_zero() && self.now_ns >= self.next_think_ns)
    }

    #[cold]
    pub(super) fn pause(&mut self) {
        let think = &self.job.think;
        let begun_ns = now_ns();
        let spin_ns = think.spin.min(think.time).as_nanos() as u64;
        while now_ns() < begun_ns + spin_ns {
            std::hint::spin_loop();
        }
        let mut left = think.time.saturating_sub(think.spin);
        while !left.is_zero() && !self.monitor.stopping {
            let part = left.min(Duration::from_nanos(LOOK_AROUND_NS));
            std::thread::sleep(part);
            left -= part;
            self.monitor.look(now_ns(), self.queue.engine(), 0);
        }
        self.now_ns = now_ns();
        self.until_think = think.ios.max(1);
        self.next_think_ns = self.now_ns + think.io_time.as_nanos() as u64;
        if let Some(pacer) = &mut self.pacer {
            pacer.paused(Duration::from_nanos(self.now_ns - begun_ns));
        }
    }
}
