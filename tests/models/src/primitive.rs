//! Loom's tools under the names that the files use.
//!
//! Loom takes a sequentially consistent access for one with acquire and release, which it is not: two
//! threads that each store and then look for the other's store would seem able to miss each other. But
//! it knows sequentially consistent *fences*. So such an access has a fence before and one behind it
//! here, which orders these accesses among each other as the language does.
//!
//! Loom tries another order of two accesses if the later one writes, and looks for the earlier one no
//! further back than to the last access. A thread that loads and then stores, as the only writer of a
//! counter does, so hides from itself what others have loaded before. Therefore a load *takes its turn*
//! here, on an atomic of its own that every load adds to: that has them tried in every order, and orders
//! nothing else.
//!
//! An atomic of loom's cannot be made in a constant; these are made when they are first used, which has
//! to be before a second thread is there. So a model uses its parts once before it starts threads.

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;

use loom::sync::atomic;
pub use loom::sync::{Condvar, Mutex, MutexGuard};

/// What becomes of the orderings that the files ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Orders {
    /// As asked for.
    #[default]
    Kept,
    /// Sequentially consistent accesses become acquire and release.
    WithoutTotalOrder,
    /// Fences do nothing.
    WithoutFences,
    /// Everything becomes relaxed.
    Relaxed,
}

thread_local!(static ORDERS: Cell<Orders> = const { Cell::new(Orders::Kept) });

/// Runs models with weaker orderings on this thread, as long as the guard lives.
#[must_use]
#[derive(Debug)]
pub struct Weakened(());

/// See [`Weakened`].
pub fn weaken(orders: Orders) -> Weakened {
    ORDERS.set(orders);
    Weakened(())
}

impl Drop for Weakened {
    fn drop(&mut self) {
        ORDERS.set(Orders::Kept);
    }
}

/// Lets another thread go on.
pub fn spin_loop() {
    loom::thread::yield_now();
}

/// As the standard library's.
pub fn fence(order: Ordering) {
    if !matches!(ORDERS.get(), Orders::WithoutFences | Orders::Relaxed) {
        atomic::fence(order);
    }
}

/// The turns of an atomic's loads.
#[derive(Debug, Default)]
struct Turns(atomic::AtomicUsize);

impl Turns {
    fn take(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[derive(Clone, Copy)]
enum Access {
    Load,
    Store,
    Both,
}

fn ordered<T>(order: Ordering, access: Access, act: impl FnOnce(Ordering) -> T) -> T {
    let nearest = match access {
        Access::Load => Ordering::Acquire,
        Access::Store => Ordering::Release,
        Access::Both => Ordering::AcqRel,
    };
    match (ORDERS.get(), order) {
        (Orders::Kept | Orders::WithoutFences, Ordering::SeqCst) => {
            atomic::fence(Ordering::SeqCst);
            let result = act(nearest);
            atomic::fence(Ordering::SeqCst);
            result
        }
        (Orders::WithoutTotalOrder, Ordering::SeqCst) => act(nearest),
        (Orders::Relaxed, _) => act(Ordering::Relaxed),
        (_, order) => act(order),
    }
}

macro_rules! atomic {
    ($name:ident $(<$t:ident>)?, $value:ty) => {
        /// As the standard library's.
        #[derive(Debug)]
        pub struct $name $(<$t>)? {
            first: $value,
            inner: OnceLock<(atomic::$name $(<$t>)?, Turns)>,
        }

        // SAFETY: the first value is only read, and the rest is shared as loom's is.
        unsafe impl $(<$t>)? Sync for $name $(<$t>)? {}
        // SAFETY: as above.
        unsafe impl $(<$t>)? Send for $name $(<$t>)? {}

        #[allow(missing_docs, dead_code, reason = "as the standard library's")]
        impl $(<$t>)? $name $(<$t>)? {
            pub const fn new(first: $value) -> Self {
                Self { first, inner: OnceLock::new() }
            }

            fn inner(&self) -> &atomic::$name $(<$t>)? {
                &self.parts().0
            }

            fn parts(&self) -> &(atomic::$name $(<$t>)?, Turns) {
                self.inner.get_or_init(|| (atomic::$name::new(self.first), Turns::default()))
            }

            pub fn load(&self, order: Ordering) -> $value {
                self.parts().1.take();
                ordered(order, Access::Load, |order| self.inner().load(order))
            }

            pub fn store(&self, value: $value, order: Ordering) {
                ordered(order, Access::Store, |order| self.inner().store(value, order));
            }

            pub fn swap(&self, value: $value, order: Ordering) -> $value {
                ordered(order, Access::Both, |order| self.inner().swap(value, order))
            }

            pub fn compare_exchange(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                _failure: Ordering,
            ) -> Result<$value, $value> {
                ordered(success, Access::Both, |order| {
                    self.inner().compare_exchange(current, new, order, Ordering::Relaxed)
                })
            }

            pub fn compare_exchange_weak(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                self.compare_exchange(current, new, success, failure)
            }
        }
    };
}

macro_rules! arithmetic {
    ($name:ident, $value:ty, $($function:ident)+) => {
        #[allow(missing_docs, dead_code, reason = "as the standard library's")]
        impl $name {
            $(pub fn $function(&self, value: $value, order: Ordering) -> $value {
                ordered(order, Access::Both, |order| self.inner().$function(value, order))
            })+

            pub fn fetch_update(
                &self,
                set: Ordering,
                fetch: Ordering,
                mut change: impl FnMut($value) -> Option<$value>,
            ) -> Result<$value, $value> {
                let mut current = self.load(fetch);
                while let Some(new) = change(current) {
                    match self.compare_exchange(current, new, set, fetch) {
                        Ok(before) => return Ok(before),
                        Err(other) => current = other,
                    }
                }
                Err(current)
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new(Default::default())
            }
        }
    };
}

atomic!(AtomicBool, bool);
atomic!(AtomicU8, u8);
atomic!(AtomicU32, u32);
atomic!(AtomicU64, u64);
atomic!(AtomicI64, i64);
atomic!(AtomicIsize, isize);
atomic!(AtomicUsize, usize);
atomic!(AtomicPtr<T>, *mut T);
arithmetic!(AtomicBool, bool, fetch_or fetch_and);
arithmetic!(AtomicU8, u8, fetch_or fetch_and);
arithmetic!(AtomicU32, u32, fetch_add fetch_sub);
arithmetic!(AtomicU64, u64, fetch_or fetch_and);
arithmetic!(AtomicUsize, usize, fetch_add fetch_sub);
arithmetic!(AtomicIsize, isize, fetch_add fetch_sub);
