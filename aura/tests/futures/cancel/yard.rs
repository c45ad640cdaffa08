//! Buffers that are poisoned when they are given up, and looked at before they are used again: a
//! kernel that still writes to one is found out.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aura::{IoBuf, IoBufMut};

pub(super) const BUFFER_BYTES: usize = 512;
pub(super) const POISON: u8 = 0xd7;
/// So many rest before one is used again.
const RESTING: usize = 64;

/// Where buffers come from and go to.
#[derive(Debug, Default)]
pub(super) struct Yard {
    resting: Mutex<VecDeque<Box<[u8]>>>,
    out: AtomicUsize,
}

impl Yard {
    /// A buffer full of poison.
    pub(super) fn buffer(self: &Arc<Self>) -> Poisoned {
        let rested = {
            let mut resting = self.resting.lock().unwrap();
            if resting.len() > RESTING { resting.pop_front() } else { None }
        };
        if let Some(rested) = &rested {
            assert!(
                rested.iter().all(|byte| *byte == POISON),
                "a buffer was written to after its operation was over"
            );
        }
        self.out.fetch_add(1, Ordering::SeqCst);
        let memory = rested.unwrap_or_else(|| vec![POISON; BUFFER_BYTES].into());
        Poisoned { memory, yard: self.clone() }
    }

    pub(super) fn out(&self) -> usize {
        self.out.load(Ordering::SeqCst)
    }

    /// Looks at all that rest.
    pub(super) fn check(&self) {
        let resting = self.resting.lock().unwrap();
        assert!(resting.iter().flatten().all(|byte| *byte == POISON), "a late write");
    }
}

#[derive(Debug)]
pub(super) struct Poisoned {
    pub(super) memory: Box<[u8]>,
    yard: Arc<Yard>,
}

impl Drop for Poisoned {
    fn drop(&mut self) {
        self.memory.fill(POISON);
        self.yard.resting.lock().unwrap().push_back(std::mem::take(&mut self.memory));
        self.yard.out.fetch_sub(1, Ordering::SeqCst);
    }
}

// SAFETY: the bytes are in a box.
unsafe impl IoBuf for Poisoned {
    fn stable_ptr(&self) -> *const u8 {
        self.memory.as_ptr()
    }

    fn bytes_init(&self) -> usize {
        self.memory.len()
    }

    fn bytes_total(&self) -> usize {
        self.memory.len()
    }
}

// SAFETY: as above; the box has them alone.
unsafe impl IoBufMut for Poisoned {
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        self.memory.as_mut_ptr()
    }

    unsafe fn set_init(&mut self, _bytes: usize) {}
}
