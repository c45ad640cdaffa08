//! One size of buffers instead of sixteen, of which a thread keeps two: loom's threads have small stacks.

pub(crate) const CLASSES: usize = 2;
pub(crate) const SMALL_CLASSES: usize = 2;
pub(crate) const CACHE_SLOTS: usize = 2;
pub(crate) const MAX_BUFFER_BYTES: usize = 4096;
pub(crate) const MAX_ALIGNMENT: usize = MAX_BUFFER_BYTES;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Class;

impl Class {
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        std::iter::once(Self)
    }

    pub(crate) fn index(self) -> usize {
        0
    }

    pub(crate) fn bytes(self) -> usize {
        MAX_BUFFER_BYTES
    }

    pub(crate) fn is_large(self) -> bool {
        false
    }

    pub(crate) fn cache_cap(self) -> usize {
        CACHE_SLOTS
    }
}
