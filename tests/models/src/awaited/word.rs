//! The word of a slot, between the poller and a future: the future's side is played here, as
//! `Awaited` does it.
//!
//! This file is `unsafe` because nodes are shared by address.

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32 as Count, Ordering};

use loom::thread;

use super::Cargo;
use super::node::{ABANDONED, Head, LOCKED, Node, Parcel, READY, WAITING};
use crate::Completion;
use crate::primitive::{AtomicPtr, AtomicU8, spin_loop};
use crate::tenant::Tenant;

/// Cargo that knows what became of it.
struct Freight {
    abandoned: Arc<Count>,
    dropped: Arc<Count>,
    /// Written by the poller, as the kernel's data are.
    data: Arc<Data>,
}

/// Memory that loom watches.
struct Data(loom::cell::UnsafeCell<u32>);

// SAFETY: loom makes sure that it is one thread's at a time.
unsafe impl Sync for Data {}
// SAFETY: as above.
unsafe impl Send for Data {}

impl Drop for Freight {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

impl Cargo for Freight {
    type Keeper = ();

    fn abandoned(self, _result: i32) {
        self.abandoned.fetch_add(1, Ordering::Relaxed);
    }
}

struct Shared {
    word: AtomicPtr<()>,
    node: Node<Freight>,
}

// SAFETY: the word says whose the node is; that is what is being tested.
unsafe impl Sync for Shared {}
// SAFETY: as above.
unsafe impl Send for Shared {}

impl Shared {
    fn new() -> Arc<Self> {
        let head = Head {
            state: AtomicU8::new(WAITING),
            result: UnsafeCell::new(0),
            waker: UnsafeCell::new(None),
        };
        let shared = Arc::new(Self {
            word: AtomicPtr::new(std::ptr::null_mut()),
            node: Node { head, parcel: UnsafeCell::new(MaybeUninit::uninit()) },
        });
        shared.word.store(shared.address(), Ordering::Relaxed);
        assert_eq!(shared.node.head.state.load(Ordering::Relaxed), WAITING);
        shared
    }

    fn address(&self) -> *mut () {
        std::ptr::from_ref(&self.node).cast_mut().cast()
    }

    fn await_state(&self) -> u8 {
        loop {
            match self.node.head.state.load(Ordering::Acquire) {
                WAITING => spin_loop(),
                state => return state,
            }
        }
    }

    /// The outcome, which is the future's now.
    fn take(&self) -> (i32, Freight) {
        assert_eq!(self.await_state(), READY);
        // SAFETY: the poller is done with the node, and wrote both.
        unsafe {
            let result = *self.node.head.result.get();
            (result, (*self.node.parcel.get()).assume_init_read().cargo)
        }
    }
}

struct Poller {
    abandoned: Arc<Count>,
    dropped: Arc<Count>,
    data: Arc<Data>,
}

impl Poller {
    fn new() -> Self {
        Self {
            abandoned: Arc::default(),
            dropped: Arc::default(),
            data: Arc::new(Data(loom::cell::UnsafeCell::new(0))),
        }
    }

    fn start(&self, shared: &Arc<Shared>) -> thread::JoinHandle<()> {
        let cargo = Freight {
            abandoned: Arc::clone(&self.abandoned),
            dropped: Arc::clone(&self.dropped),
            data: Arc::clone(&self.data),
        };
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            // SAFETY: the kernel's write, before anybody hears of it; loom makes sure.
            cargo.data.0.with_mut(|data| unsafe { *data = 9 });
            Parcel { cargo, keeper: None }.complete(&shared.word, Completion { result: 5 });
        })
    }

    fn check(&self, abandoned: u32) {
        assert_eq!(self.dropped.load(Ordering::Relaxed), 1, "freed once");
        assert_eq!(self.abandoned.load(Ordering::Relaxed), abandoned);
    }
}

/// A future that is dropped while its operation completes.
pub fn a_dropped_future() {
    loom::model(|| {
        let (shared, poller) = (Shared::new(), Poller::new());
        let completing = poller.start(&shared);
        let left = shared.word.compare_exchange(
            shared.address(),
            std::ptr::without_provenance_mut(ABANDONED),
            Ordering::AcqRel,
            Ordering::Relaxed,
        );
        if left.is_err() {
            let (result, cargo) = shared.take();
            // SAFETY: it is the future's; loom makes sure.
            let data = cargo.data.0.with(|data| unsafe { *data });
            assert_eq!((result, data), (5, 9));
            cargo.abandoned(result);
        }
        completing.join().unwrap();
        poller.check(1);
    });
}

/// A future that is polled with another waker while its operation completes.
pub fn a_replaced_waker() {
    loom::model(|| {
        let (shared, poller) = (Shared::new(), Poller::new());
        let completing = poller.start(&shared);
        let locked = std::ptr::without_provenance_mut(LOCKED);
        let held = shared.word.compare_exchange(
            shared.address(),
            locked,
            Ordering::Acquire,
            Ordering::Relaxed,
        );
        if held.is_ok() {
            let state = shared.node.head.state.load(Ordering::Relaxed);
            assert_eq!(state, WAITING, "the poller went on while the word was locked");
            shared.word.store(shared.address(), Ordering::Release);
        }
        let (result, cargo) = shared.take();
        // SAFETY: it is the future's; loom makes sure.
        let data = cargo.data.0.with(|data| unsafe { *data });
        assert_eq!((result, data), (5, 9));
        drop(cargo);
        completing.join().unwrap();
        poller.check(0);
    });
}
