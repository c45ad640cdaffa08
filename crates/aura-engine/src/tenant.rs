//! What lives in a slot: a callback, or what an awaited operation owns.

use std::sync::atomic::AtomicPtr;

use crate::Completion;

/// What a slot holds for its operation, and what becomes of it at the end.
pub(crate) trait Tenant: Send + 'static {
    /// A future waits for it, and the slot's word leads there.
    const AWAITED: bool = false;

    /// The operation is over: called once, by the reaping thread, with no lock held. `word` is the
    /// slot's.
    ///
    /// If the engine ends first, the tenant is dropped instead.
    fn complete(self, word: &AtomicPtr<()>, completion: Completion);
}

/// Calls back.
pub(crate) struct Callback<F>(pub(crate) F);

impl<F: FnOnce(Completion) + Send + 'static> Tenant for Callback<F> {
    #[inline]
    fn complete(self, _word: &AtomicPtr<()>, completion: Completion) {
        (self.0)(completion);
    }
}
