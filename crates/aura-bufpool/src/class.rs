//! Size classes: which buffer size serves a request, how its slabs look, how many a thread may keep.

/// Smallest buffer in bytes; smaller requests are served with it.
pub const MIN_BUFFER_BYTES: usize = 1 << UNIT_SHIFT;

/// Largest buffer in bytes; larger requests are refused.
pub const MAX_BUFFER_BYTES: usize = MIN_BUFFER_BYTES << (CLASSES - 1);

/// Largest alignment in bytes that a pool can be asked for, equal to the largest buffer.
pub const MAX_ALIGNMENT: usize = MAX_BUFFER_BYTES;

/// Addresses inside the arena are counted in units of this many bits: every buffer starts at one.
pub(crate) const UNIT_SHIFT: u32 = 12;

/// Slabs are placed in granules of this many bits; the granule table has one entry for each.
pub(crate) const GRANULE_SHIFT: u32 = 18;

/// Number of size classes, 4 KiB to 128 MiB.
pub(crate) const CLASSES: usize = 16;

/// Classes below 1 MiB, the only ones that share slabs and that thread caches keep.
pub(crate) const SMALL_CLASSES: usize = 8;

/// Most buffers of one class in a thread cache, and thus the longest batch that moves at once.
pub(crate) const CACHE_SLOTS: usize = 64;

/// Index of a size class; the buffers are `4096 << index` bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Class(u8);

impl Class {
    /// The class that serves `size` bytes when no class may be smaller than `floor_bytes`.
    ///
    /// `floor_bytes` is a power of two of at least [`MIN_BUFFER_BYTES`]; `size` is in
    /// `1..=MAX_BUFFER_BYTES`. Branch-free because it runs for every operation.
    #[inline]
    pub(crate) fn of(size: usize, floor_bytes: usize) -> Self {
        let bits = usize::BITS - ((size - 1) | (floor_bytes - 1)).leading_zeros();
        Self((bits - UNIT_SHIFT) as u8)
    }

    /// All classes, smallest first.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (0..CLASSES as u8).map(Self)
    }

    /// The class with this index. The mask only spares a bounds check: indices are below 16.
    #[inline]
    pub(crate) fn from_index(index: usize) -> Self {
        Self((index & (CLASSES - 1)) as u8)
    }

    #[inline]
    pub(crate) fn index(self) -> usize {
        usize::from(self.0) & (CLASSES - 1)
    }

    #[inline]
    pub(crate) fn bytes(self) -> usize {
        MIN_BUFFER_BYTES << self.0
    }

    /// Large buffers have a slab of their own and skip the thread caches.
    #[inline]
    pub(crate) fn is_large(self) -> bool {
        self.index() >= SMALL_CLASSES
    }

    /// log2 of the slab length: sixteen buffers, within 256 KiB and 2 MiB, or one large buffer.
    #[inline]
    pub(crate) fn slab_shift(self) -> u32 {
        u32::from(SLAB_SHIFTS[self.index()])
    }

    #[inline]
    pub(crate) fn slab_bytes(self) -> usize {
        1 << self.slab_shift()
    }

    /// Bitmap of a slab of which every buffer is free. No slab holds more than 64 buffers.
    pub(crate) fn full_mask(self) -> u64 {
        let buffers = self.slab_bytes() / self.bytes();
        u64::MAX >> (64 - buffers)
    }

    /// How many buffers of this class one thread keeps for itself.
    #[inline]
    pub(crate) fn cache_cap(self) -> usize {
        usize::from(CACHE_CAPS[self.index()])
    }

    /// How many buffers move between a thread cache and the shards at a time.
    pub(crate) fn batch(self) -> usize {
        (self.cache_cap() / 2).max(1)
    }
}

const SLAB_SHIFTS: [u8; CLASSES] = {
    let mut shifts = [0; CLASSES];
    let mut class = 0;
    while class < CLASSES {
        let own = UNIT_SHIFT as usize + class;
        let sixteen = own + 4;
        shifts[class] = if class >= SMALL_CLASSES {
            own as u8
        } else if sixteen < GRANULE_SHIFT as usize {
            GRANULE_SHIFT as u8
        } else if sixteen > 21 {
            21
        } else {
            sixteen as u8
        };
        class += 1;
    }
    shifts
};

/// 256 KiB of the two smallest classes, sixteen buffers of the next, never more than 1 MiB.
const CACHE_CAPS: [u8; CLASSES] = {
    let mut caps = [0; CLASSES];
    let mut class = 0;
    while class < SMALL_CLASSES {
        let bytes = MIN_BUFFER_BYTES << class;
        let by_quarter = (256 << 10) / bytes;
        let by_mebibyte = (1 << 20) / bytes;
        let wanted = if by_quarter > 16 { by_quarter } else { 16 };
        let cap = if wanted < by_mebibyte { wanted } else { by_mebibyte };
        assert!(cap <= CACHE_SLOTS);
        caps[class] = cap as u8;
        class += 1;
    }
    caps
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_the_smallest_that_holds_size_and_floor() {
        for floor in [4096, 8192, 2 << 20] {
            for size in [1, 511, 4095, 4096, 4097, 65_536, 65_537, (2 << 20) + 1, MAX_BUFFER_BYTES]
            {
                let naive = Class::all()
                    .find(|class| class.bytes() >= size && class.bytes() >= floor)
                    .expect("the largest class holds every size");
                assert_eq!(Class::of(size, floor), naive, "size {size} floor {floor}");
            }
        }
    }

    #[test]
    fn slabs_hold_whole_buffers_and_fit_one_bitmap() {
        for class in Class::all() {
            let buffers = class.slab_bytes() / class.bytes();
            assert!((1..=64).contains(&buffers), "{class:?}");
            assert_eq!(class.full_mask().count_ones() as usize, buffers);
            assert!(class.slab_shift() >= GRANULE_SHIFT);
            assert_eq!(class.is_large(), buffers == 1);
        }
    }

    #[test]
    fn thread_caches_are_bounded_by_bytes() {
        for class in Class::all() {
            assert!(class.cache_cap() * class.bytes() <= 1 << 20, "{class:?}");
            assert_eq!(class.cache_cap() == 0, class.is_large());
            assert!(class.batch() <= CACHE_SLOTS);
        }
    }
}
