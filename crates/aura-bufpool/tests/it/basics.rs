//! One thread: sizes, alignment, errors, accounting.

use std::ptr::NonNull;

use aura_bufpool::{
    AllocError, FreeError, MAX_BUFFER_BYTES, MIN_BUFFER_BYTES, Pool, PoolOptions, PoolStats,
};

pub(crate) fn pool() -> Pool {
    Pool::new(PoolOptions::new()).expect("a pool")
}

fn in_use(stats: &PoolStats) -> (usize, usize, usize) {
    (stats.allocated_buffers, stats.allocated_bytes, stats.requested_bytes)
}

#[test]
fn buffers_are_aligned_for_every_alignment_and_size() {
    for alignment in [1, 512, 4096, 65_536, 2 << 20] {
        let pool = Pool::new(PoolOptions::new().alignment(alignment)).expect("a pool");
        for size in [1, 511, 4096, 4097, 100_000, 1 << 20, (1 << 20) + 1, 5 << 20] {
            let buffers: Vec<_> = (0..3).map(|_| pool.alloc(size).expect("a buffer")).collect();
            for buffer in buffers {
                let capacity = pool.capacity_of(buffer).expect("in use");
                assert_eq!(buffer.as_ptr() as usize % alignment.max(4096), 0, "{alignment} {size}");
                assert_eq!(buffer.as_ptr() as usize % capacity, 0);
                assert_eq!(capacity, size.max(alignment).max(4096).next_power_of_two());
                assert_eq!(pool.size_of(buffer), Some(size));
                pool.free(buffer).expect("in use");
                assert_eq!((pool.size_of(buffer), pool.capacity_of(buffer)), (None, None));
            }
        }
        assert_eq!(in_use(&pool.stats()), (0, 0, 0));
    }
}

#[test]
fn sizes_out_of_range_are_refused() {
    let pool = pool();
    assert!(matches!(pool.alloc(0), Err(AllocError::ZeroSize)));
    for size in [MAX_BUFFER_BYTES + 1, usize::MAX] {
        let refused = pool.alloc(size);
        assert!(
            matches!(refused, Err(AllocError::TooLarge { size: s, max }) if s == size && max == MAX_BUFFER_BYTES)
        );
    }
    let largest = pool.buffer(MAX_BUFFER_BYTES).expect("the largest");
    assert_eq!(largest.len(), largest.capacity());
    assert_eq!(pool.buffer(1).expect("the smallest").capacity(), MIN_BUFFER_BYTES);
}

#[test]
fn the_whole_capacity_is_zeroed_at_first_and_writable() {
    let pool = pool();
    let raw = pool.alloc(70_000).expect("a buffer");
    let capacity = pool.capacity_of(raw).expect("in use");
    // SAFETY: the whole capacity is the caller's until it is freed.
    let bytes = unsafe { std::slice::from_raw_parts_mut(raw.as_ptr(), capacity) };
    assert!(bytes.iter().all(|&byte| byte == 0));
    bytes.fill(0xa5);
    pool.free(raw).expect("in use");
}

#[test]
fn accounting_is_exact_after_every_step() {
    let pool = pool();
    let mut taken = Vec::new();
    let mut expected = (0, 0, 0);
    let mut high = (0, 0);
    for round in 1..=3 {
        for size in [1, 4096, 5000, 65_536, 300_000, 1 << 20, 3 << 20] {
            for _ in 0..40 * round {
                let buffer = pool.alloc(size).expect("a buffer");
                let capacity = pool.capacity_of(buffer).expect("in use");
                taken.push((buffer, size, capacity));
                expected = (expected.0 + 1, expected.1 + capacity, expected.2 + size);
                high = (high.0.max(expected.0), high.1.max(expected.1));
                let stats = pool.stats();
                assert_eq!(in_use(&stats), expected);
                assert_eq!((stats.high_water_buffers, stats.high_water_bytes), high);
            }
        }
        for (buffer, size, capacity) in taken.drain(..) {
            pool.free(buffer).expect("in use");
            expected = (expected.0 - 1, expected.1 - capacity, expected.2 - size);
            let stats = pool.stats();
            assert_eq!(in_use(&stats), expected);
            assert_eq!((stats.high_water_buffers, stats.high_water_bytes), high);
        }
        assert_eq!(expected, (0, 0, 0));
    }
}

#[test]
fn a_second_free_is_detected_and_harms_nothing() {
    let pool = pool();
    for size in [4096, 512 << 10, 4 << 20] {
        let buffer = pool.alloc(size).expect("a buffer");
        let other = pool.alloc(size).expect("a buffer");
        pool.free(buffer).expect("in use");
        for _ in 0..3 {
            assert_eq!(pool.free(buffer), Err(FreeError::DoubleFree));
        }
        let (first, second) = (pool.alloc(size).expect("one"), pool.alloc(size).expect("two"));
        assert!(first != second && first != other && second != other);
        for buffer in [first, second, other] {
            pool.free(buffer).expect("in use");
        }
        assert_eq!(in_use(&pool.stats()), (0, 0, 0));
    }
}

#[test]
fn foreign_pointers_are_detected() {
    let (pool, stranger) = (pool(), pool());
    let held = pool.alloc(8192).expect("a buffer");
    let never_handed_out = pool.alloc(2 << 20).expect("a buffer");
    let local = 0_u8;
    let interior = |offset| held.map_addr(|a| a.saturating_add(offset));
    let before = in_use(&pool.stats());
    let theirs = stranger.alloc(4096).expect("a buffer");
    let heap = Box::new([0_u8; 4096]);
    let foreign = [
        NonNull::from(&local),
        NonNull::from(&heap[0]),
        NonNull::dangling(),
        interior(1),
        interior(512),
        interior(4095),
        interior(4096),
        never_handed_out.map_addr(|a| a.saturating_add(1 << 20)),
        // Inside the arena, but in no slab.
        never_handed_out.map_addr(|a| a.saturating_add(1 << 30)),
        theirs,
    ];
    for pointer in foreign {
        assert_eq!(pool.free(pointer), Err(FreeError::Foreign), "{pointer:?}");
        assert_eq!(pool.size_of(pointer), None);
    }
    assert_eq!(in_use(&pool.stats()), before);
    // A free neighbour that was never handed out counts as freed twice: it could be given back.
    assert_eq!(pool.free(interior(8192)), Err(FreeError::DoubleFree));
    pool.free(held).expect("unharmed");
    pool.free(never_handed_out).expect("unharmed");
    stranger.free(theirs).expect("unharmed");
}

#[test]
fn a_pointer_into_a_slab_that_went_away_is_detected() {
    let pool = pool();
    for size in [4096, 1 << 20] {
        let buffer = pool.alloc(size).expect("a buffer");
        pool.free(buffer).expect("in use");
        assert!(pool.trim() >= size);
        assert_eq!(pool.free(buffer), Err(FreeError::Foreign));
    }
}

#[test]
fn an_owned_buffer_cannot_be_freed_by_its_pointer() {
    let pool = pool();
    for size in [4096, 1 << 20] {
        let mut buffer = pool.buffer(size).expect("a buffer");
        let pointer = NonNull::from(&mut buffer[0]);
        assert_eq!(pool.free(pointer), Err(FreeError::Owned));
        assert_eq!(pool.size_of(pointer), Some(size));
        drop(buffer);
        assert_eq!(pool.free(pointer), Err(FreeError::DoubleFree));
    }
    assert_eq!(in_use(&pool.stats()), (0, 0, 0));
}

#[test]
fn running_out_of_addresses_is_an_error_that_passes() {
    let pool = Pool::new(PoolOptions::new().reserve_bytes(1)).expect("a pool");
    assert_eq!(pool.stats().reserved_bytes, MAX_BUFFER_BYTES);
    let mut held = Vec::new();
    let error = loop {
        match pool.alloc(1 << 20) {
            Ok(buffer) => held.push(buffer),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, AllocError::OutOfMemory(_)));
    assert_eq!(held.len(), 128);
    // Idle slabs of another size make way.
    held.iter().for_each(|&buffer| pool.free(buffer).expect("in use"));
    let largest = pool.alloc(MAX_BUFFER_BYTES).expect("all of it");
    assert!(pool.alloc(4096).is_err());
    pool.free(largest).expect("in use");
    pool.buffer(4096).expect("room again");
}

#[test]
fn slab_lookup_covers_the_buffer_and_nothing_outside() {
    let pool = pool();
    for size in [4096, 100_000, 3 << 20] {
        let buffer = pool.alloc(size).expect("a buffer");
        let start = buffer.as_ptr().cast_const();
        let slab = pool.slab_of(start).expect("in a slab");
        assert_eq!(slab.base % slab.len, 0);
        let address = start as usize;
        assert!(slab.base <= address && address + size <= slab.base + slab.len);
        assert_eq!(pool.slab_of(start.wrapping_add(size - 1)), Some(slab));
        assert_ne!(pool.slab_of((slab.base + slab.len) as *const u8), Some(slab));
        assert_eq!(pool.slab_of(&raw const slab as *const u8), None);
        pool.free(buffer).expect("in use");
    }
}

#[test]
fn a_round_trip_through_raw_parts_keeps_the_buffer() {
    let pool = pool();
    let mut buffer = pool.buffer(10_000).expect("a buffer");
    buffer[9_999] = 42;
    let raw = buffer.into_raw();
    assert_eq!((raw.len, pool.stats().allocated_buffers), (10_000, 1));
    // SAFETY: unchanged, once, and nobody uses the bytes.
    let buffer = unsafe { aura_bufpool::PoolBuffer::from_raw(raw) };
    assert_eq!((buffer[9_999], buffer.capacity()), (42, 16_384));
    drop(buffer);
    assert_eq!(in_use(&pool.stats()), (0, 0, 0));
}
