//! What lives in a slot, as in `aura-engine`.

use crate::Completion;
use crate::primitive::AtomicPtr;

pub(crate) trait Tenant: Send + 'static {
    #[allow(dead_code, reason = "the engine asks")]
    const AWAITED: bool = false;

    fn complete(self, word: &AtomicPtr<()>, completion: Completion);
}
