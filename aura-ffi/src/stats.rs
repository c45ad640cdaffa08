//! What an engine says about itself, and settings at run time.

use std::ffi::{CStr, c_char};

use libc::{c_int, size_t};

use crate::errno::{Refusal, give, required};
use crate::header::{aura_buffer_stats_t, aura_engine_t, aura_ring_stats_t, aura_stats_t};
use crate::names;
use crate::options;
use crate::sized;

/// Counts are 64 bits wide inside and narrower here.
pub(crate) fn narrow<T: TryFrom<u64>>(count: u64, most: T) -> T {
    T::try_from(count).unwrap_or(most)
}

/// Stores an answer into the caller's struct.
///
/// # Safety
///
/// `out` is null, or points to `size` bytes.
pub(crate) unsafe fn answer<T: Copy>(
    out: *mut T,
    size: size_t,
    value: &T,
) -> Result<c_int, Refusal> {
    check(out, size)?;
    // SAFETY: by contract.
    unsafe { sized::write(out, size, value)? };
    Ok(0)
}

pub(crate) fn check<T>(out: *mut T, size: size_t) -> Result<(), Refusal> {
    required(out, "there is no struct to fill")?;
    if size == 0 { Err(Refusal::invalid("the struct's size is 0")) } else { Ok(()) }
}

/// A ring by its index; without one the caller's struct is zeroed, as the reference says.
///
/// # Safety
///
/// As [`answer`].
pub(crate) unsafe fn of_ring<T: Copy, R>(
    out: *mut T,
    size: size_t,
    ring: c_int,
    find: impl FnOnce(usize) -> Option<R>,
) -> Result<R, Refusal> {
    check(out, size)?;
    usize::try_from(ring).ok().and_then(find).ok_or_else(|| {
        // SAFETY: by contract.
        unsafe { out.cast::<u8>().write_bytes(0, size.min(size_of::<T>())) };
        Refusal::invalid("there is no ring with this index")
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn aura_get_stats(
    engine: *const aura_engine_t,
    stats: *mut aura_stats_t,
    stats_size: size_t,
) -> c_int {
    let answered = names::find(engine).and_then(|engine| {
        let found = engine.stats();
        let all = aura_stats_t {
            ops_completed: narrow(found.ops_completed, i64::MAX),
            bytes_transferred: narrow(found.bytes_transferred, i64::MAX),
            current_throughput_bps: found.throughput_bps,
            p99_latency_ms: found.p99_latency_ms,
            current_in_flight: narrow(found.in_flight, c_int::MAX),
            optimal_in_flight: narrow(found.limit.into(), c_int::MAX),
            peak_in_flight: narrow(found.peak_in_flight, c_int::MAX),
            optimal_batch_size: narrow(found.batch.into(), c_int::MAX),
            adaptive_spills: found.spills,
        };
        // SAFETY: the caller's word.
        unsafe { answer(stats, stats_size, &all) }
    });
    give(answered)
}

#[unsafe(no_mangle)]
pub extern "C" fn aura_get_ring_count(engine: *const aura_engine_t) -> c_int {
    match names::find(engine) {
        Ok(engine) => engine.ring_count() as c_int,
        Err(refusal) => {
            refusal.report::<()>();
            0
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn aura_get_ring_stats(
    engine: *const aura_engine_t,
    ring_idx: c_int,
    stats: *mut aura_ring_stats_t,
    stats_size: size_t,
) -> c_int {
    let answered = names::find(engine).and_then(|engine| {
        // SAFETY: the caller's word.
        let found =
            unsafe { of_ring(stats, stats_size, ring_idx, |ring| engine.ring_stats(ring))? };
        let all = aura_ring_stats_t {
            ops_completed: narrow(found.ops_completed, i64::MAX),
            bytes_transferred: narrow(found.bytes_transferred, i64::MAX),
            pending_count: narrow(found.pending, c_int::MAX),
            peak_in_flight: narrow(found.peak_in_flight.into(), c_int::MAX),
            in_flight_limit: narrow(found.limit.into(), c_int::MAX),
            batch_threshold: narrow(found.batch.into(), c_int::MAX),
            p99_latency_ms: found.p99_latency_ms,
            throughput_bps: found.throughput_bps,
            aimd_phase: found.phase,
            queue_depth: narrow(found.queue_depth.into(), c_int::MAX),
        };
        // SAFETY: the caller's word.
        unsafe { answer(stats, stats_size, &all) }
    });
    give(answered)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn aura_get_buffer_stats(
    engine: *const aura_engine_t,
    stats: *mut aura_buffer_stats_t,
    stats_size: size_t,
) -> c_int {
    let answered = names::find(engine).and_then(|engine| {
        let found = engine.pool_stats();
        // SAFETY: zeros are a valid one; its padding is part of what is copied out.
        let mut all: aura_buffer_stats_t = unsafe { std::mem::zeroed() };
        all.total_allocated_bytes = found.allocated_bytes;
        all.total_buffers = found.allocated_buffers;
        all.shard_count = narrow(found.shard_count as u64, c_int::MAX);
        // SAFETY: the caller's word.
        unsafe { answer(stats, stats_size, &all) }
    });
    give(answered)
}

#[unsafe(no_mangle)]
pub extern "C" fn aura_phase_name(phase: c_int) -> *const c_char {
    use aura_engine::Phase;
    let name: &'static CStr = match Phase::from_i32(phase) {
        Some(Phase::Baseline) => c"BASELINE",
        Some(Phase::Probing) => c"PROBING",
        Some(Phase::Steady) => c"STEADY",
        Some(Phase::Backoff) => c"BACKOFF",
        Some(Phase::Settling) => c"SETTLING",
        Some(Phase::Converged) => c"CONVERGED",
        Some(Phase::Passthrough) => c"PASSTHROUGH",
        _ => c"UNKNOWN",
    };
    name.as_ptr()
}

#[unsafe(no_mangle)]
pub extern "C" fn aura_get_fatal_error(engine: *const aura_engine_t) -> c_int {
    give(names::find(engine).map(|engine| engine.fatal_error().unwrap_or(0)))
}

#[unsafe(no_mangle)]
pub extern "C" fn aura_set_max_p99_latency(engine: *mut aura_engine_t, latency_ms: f64) -> c_int {
    let set = names::find(engine).and_then(|engine| {
        engine.set_target_p99(options::latency(latency_ms)?);
        Ok(0)
    });
    give(set)
}

#[unsafe(no_mangle)]
pub extern "C" fn aura_set_min_in_flight(engine: *mut aura_engine_t, limit: c_int) -> c_int {
    let set = names::find(engine).and_then(|engine| {
        let limit = u32::try_from(limit).map_err(|_| Refusal::invalid("the limit is negative"))?;
        engine.set_min_in_flight(limit)?;
        Ok(0)
    });
    give(set)
}

#[unsafe(no_mangle)]
pub extern "C" fn aura_set_batch_threshold(engine: *mut aura_engine_t, operations: c_int) -> c_int {
    let set = names::find(engine).and_then(|engine| {
        let operations = u32::try_from(operations)
            .map_err(|_| Refusal::invalid("the number of operations is negative"))?;
        engine.set_batch_threshold((operations > 0).then_some(operations))?;
        Ok(0)
    });
    give(set)
}
