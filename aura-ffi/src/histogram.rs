//! Histograms of latencies.

use aura_engine::{Snapshot, layout};
use libc::{c_int, size_t};

use crate::errno::give;
use crate::header::{
    AURA_HISTOGRAM_BUCKETS, AURA_HISTOGRAM_MAX_US, AURA_HISTOGRAM_TIER_COUNT, aura_engine_t,
    aura_histogram_t,
};
use crate::names;
use crate::stats::{answer, narrow, of_ring};

const BUCKETS: usize = AURA_HISTOGRAM_BUCKETS as usize;

const _: () = assert!(BUCKETS == layout::BUCKETS);
const _: () = assert!(AURA_HISTOGRAM_MAX_US as u32 == layout::MAX_TRACKED_US);
const _: () = assert!(AURA_HISTOGRAM_TIER_COUNT as usize == layout::TIERS.len());

#[unsafe(no_mangle)]
pub unsafe extern "C" fn aura_get_histogram(
    engine: *const aura_engine_t,
    ring_idx: c_int,
    hist: *mut aura_histogram_t,
    hist_size: size_t,
) -> c_int {
    let answered = names::find(engine).and_then(|engine| {
        // SAFETY: the caller's word.
        let found = unsafe { of_ring(hist, hist_size, ring_idx, |ring| engine.histogram(ring))? };
        // SAFETY: the caller's word.
        unsafe { answer(hist, hist_size, &to_c(&found)) }
    });
    give(answered)
}

fn to_c(snapshot: &Snapshot) -> aura_histogram_t {
    let tier = |value: fn(&layout::Tier) -> c_int| layout::TIERS.each_ref().map(value);
    aura_histogram_t {
        buckets: snapshot.counts().map(|count| narrow(count, u32::MAX)),
        overflow: narrow(snapshot.overflow(), u32::MAX),
        total_count: narrow(snapshot.count(), u32::MAX),
        tier_count: AURA_HISTOGRAM_TIER_COUNT,
        tier_start_us: tier(|tier| tier.start_us as c_int),
        tier_width_us: tier(|tier| tier.width_us as c_int),
        tier_base_bucket: tier(|tier| tier.base_bucket as c_int),
        max_tracked_us: AURA_HISTOGRAM_MAX_US,
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn aura_histogram_percentile(
    hist: *const aura_histogram_t,
    percentile: f64,
) -> f64 {
    // SAFETY: the caller's word. Only the counts are read: what else the struct says about its
    // layout is known here, and not to be trusted.
    let Some(hist) = (unsafe { hist.as_ref() }) else { return -1.0 };
    let snapshot = Snapshot::from_counts(&hist.buckets.map(u64::from), hist.overflow.into());
    snapshot.percentile(percentile).map_or(-1.0, |found| found.value_ms())
}

#[unsafe(no_mangle)]
pub extern "C" fn aura_histogram_bucket_upper_bound_us(
    hist: *const aura_histogram_t,
    bucket: c_int,
) -> c_int {
    if hist.is_null() {
        return 0;
    }
    let bucket = usize::try_from(bucket).ok();
    bucket.and_then(layout::bucket_upper_us).map_or(0, |us| us as c_int)
}
