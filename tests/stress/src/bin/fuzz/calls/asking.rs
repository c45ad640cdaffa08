//! Statistics, settings, names, the log.
//!
//! This file is `unsafe` because it hands memory over to be filled.

use std::ffi::{CStr, c_char, c_void};
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

use aura_ffi::header::{
    aura_buffer_stats_t, aura_engine_t, aura_histogram_t, aura_log_emit, aura_ring_stats_t,
    aura_stats_t,
};
use aura_ffi::{
    aura_get_buffer_stats, aura_get_fatal_error, aura_get_histogram, aura_get_ring_count,
    aura_get_ring_stats, aura_get_stats, aura_histogram_bucket_upper_bound_us,
    aura_histogram_percentile, aura_pending_count, aura_phase_name, aura_set_batch_threshold,
    aura_set_log_handler, aura_set_max_p99_latency, aura_set_min_in_flight, aura_version,
    aura_version_int,
};
use aura_stress::random::Random;

use super::{look, pointer};
use crate::oracle::{Answer, May, broken, call, show};
use crate::world::{self, Picked};

/// Zeros, to be filled; more than any struct of statistics has.
const ROOM_BYTES: usize = 4096;

#[repr(C, align(16))]
struct Room([u8; ROOM_BYTES]);

/// Holds an engine against what is known of it.
pub(super) fn compare(number: usize, engine: *mut aura_engine_t) {
    // SAFETY: zeros are values of both; no more than their size is written.
    let (stats, pool) = unsafe {
        let mut stats: aura_stats_t = std::mem::zeroed();
        let mut pool: aura_buffer_stats_t = std::mem::zeroed();
        let asked = aura_get_stats(engine, &raw mut stats, size_of_val(&stats))
            | aura_get_buffer_stats(engine, &raw mut pool, size_of_val(&pool));
        if asked != 0 {
            broken(&format!("engine {number} lives, and has no statistics"));
        }
        (stats, pool)
    };
    let pending = i64::from(aura_pending_count(engine));
    let (fatal, rings) = (aura_get_fatal_error(engine), aura_get_ring_count(engine));
    world::with(|world| {
        let known = &world.engines[number];
        let (in_flight, silent) = (known.in_flight() as i64, known.silent as i64);
        let said = |what: &str| -> ! {
            broken(&format!(
                "engine {number}: {what}: pending {pending}, completed {}, {} buffers, fatal {fatal}, \
                 {rings} rings; known: {known:?}",
                stats.ops_completed, pool.total_buffers
            ))
        };
        // At the limit completions are taken off the queue before their callbacks run: those are not pending
        // any more, and not heard of yet.
        if pending + stats.ops_completed != known.accepted as i64 + silent {
            said("operations in flight and completed are not those that were accepted");
        }
        if pending > in_flight + silent {
            said("more are in flight than were accepted and not heard of");
        }
        if pool.total_buffers != known.buffers.len() {
            said("another number of buffers is handed out");
        }
        if fatal != 0 || rings != known.rings {
            said("it changed");
        }
    });
}

pub(super) fn any(random: &mut Random) {
    let picked = world::with(|world| world.pick_engine(random));
    match random.below(8) {
        0..3 => statistics(random, picked),
        3 => histogram(random),
        4 | 5 => settings(random, picked),
        6 => log(random),
        _ => names(random),
    }
}

fn statistics(random: &mut Random, picked: Picked) {
    let engine = pointer(picked.name);
    let mut room = Room([0; ROOM_BYTES]);
    let size = random.of(&[0, 8, size_of::<aura_stats_t>(), 1 << 10, ROOM_BYTES]);
    let longer_and_filled = random.one_in(4);
    if longer_and_filled {
        room.0[ROOM_BYTES - 1] = 1;
    }
    let null = random.one_in(8);
    let given: *mut c_void = if null { ptr::null_mut() } else { (&raw mut room).cast() };
    let rings = look(picked, |engine| engine.rings).unwrap_or(0);
    let ring = random.of(&[0, 0, rings - 1, rings, -1, i32::MAX]);
    // SAFETY: NULL, or room for as many bytes as are announced.
    let (what, sized, (_, answer)) = unsafe {
        let is_failure = |value: &i32| *value != 0;
        match random.below(4) {
            0 => (
                "aura_get_stats",
                size_of::<aura_stats_t>(),
                call(|| aura_get_stats(engine, given.cast(), size), is_failure),
            ),
            1 => (
                "aura_get_buffer_stats",
                size_of::<aura_buffer_stats_t>(),
                call(|| aura_get_buffer_stats(engine, given.cast(), size), is_failure),
            ),
            2 => (
                "aura_get_ring_stats",
                size_of::<aura_ring_stats_t>(),
                call(|| aura_get_ring_stats(engine, ring, given.cast(), size), is_failure),
            ),
            _ => (
                "aura_get_histogram",
                size_of::<aura_histogram_t>(),
                call(|| aura_get_histogram(engine, ring, given.cast(), size), is_failure),
            ),
        }
    };
    let of_a_ring = what.ends_with("ring_stats") || what.ends_with("histogram");
    let no_ring = of_a_ring && !(0..rings).contains(&ring);
    let bad = picked.number.is_none() || null || no_ring;
    let too_long = size == ROOM_BYTES && longer_and_filled;
    let may = if bad { May::fail(&[libc::EINVAL]) } else { May::succeed() };
    let may = match (too_long, bad) {
        (true, false) => May::fail(&[libc::E2BIG]),
        // Nothing at all is asked for: nonsense, or nothing to do.
        _ => may.or_if(too_long, &[libc::E2BIG]).or_if(size == 0, &[libc::EINVAL]),
    };
    may.check(&format!("{what}({:#x}, ring {ring}, size {size})", picked.name), answer);
    let beyond = if answer.failed { ROOM_BYTES } else { sized.min(size) };
    let end = if longer_and_filled { ROOM_BYTES - 1 } else { ROOM_BYTES };
    if beyond < end && room.0[size.min(end)..end].iter().any(|&byte| byte != 0) {
        broken(&format!("{what} writes beyond the {size} bytes it was given"));
    }
}

fn histogram(random: &mut Random) {
    let mut room = Room([0; ROOM_BYTES]);
    room.0.iter_mut().for_each(|byte| *byte = random.next() as u8);
    let null = random.one_in(4);
    let given: *const aura_histogram_t = if null { ptr::null() } else { (&raw const room).cast() };
    let wanted = random.of(&[0.0, 50.0, 99.9, 100.0, -1.0, 101.0, f64::NAN, f64::INFINITY]);
    // SAFETY: NULL, or numbers of any value.
    let found = unsafe { aura_histogram_percentile(given, wanted) };
    let bad = null || !(0.0..=100.0).contains(&wanted);
    show(|| format!("aura_histogram_percentile({wanted}): {found}"));
    if (bad && found != -1.0) || !(found == -1.0 || (0.0..=100.0).contains(&found)) {
        broken(&format!("aura_histogram_percentile({wanted}) of {given:p} is {found}"));
    }
    let bucket = random.of(&[0, 319, 320, -1, i32::MAX, i32::MIN]);
    let bound = aura_histogram_bucket_upper_bound_us(given, bucket);
    let good = !null && (0..320).contains(&bucket);
    if (bound > 0) != good {
        broken(&format!("the upper bound of bucket {bucket} of {given:p} is {bound}"));
    }
}

fn settings(random: &mut Random, picked: Picked) {
    let engine = pointer(picked.name);
    let is_failure = |value: &i32| *value != 0;
    let number = random.of(&[1, 1, 0, -1, i32::MAX, i32::MIN]);
    let latency = random.of(&[0.0, 1.5, -1.0, f64::NAN, f64::INFINITY, 1e300]);
    let (what, good, (_, answer)) = match random.below(3) {
        0 => (
            format!("aura_set_max_p99_latency({latency})"),
            (0.0..1e7).contains(&latency),
            call(|| aura_set_max_p99_latency(engine, latency), is_failure),
        ),
        1 => (
            format!("aura_set_min_in_flight({number})"),
            number == 1,
            call(|| aura_set_min_in_flight(engine, number), is_failure),
        ),
        _ => (
            format!("aura_set_batch_threshold({number})"),
            (0..=1).contains(&number),
            call(|| aura_set_batch_threshold(engine, number), is_failure),
        ),
    };
    let good = good && picked.number.is_some();
    let may = if good { May::succeed() } else { May::fail(&[libc::EINVAL]) };
    may.check(&what, answer);
}

/// Messages that the handler has heard.
static HEARD: AtomicU64 = AtomicU64::new(0);

unsafe extern "C-unwind" fn hear(level: i32, message: *const c_char, _: *mut c_void) {
    // SAFETY: a string, as the header says.
    let length = unsafe { CStr::from_ptr(message) }.to_bytes().len();
    if !(3..=7).contains(&level) || length > 255 {
        broken(&format!("a log message of level {level} and {length} bytes"));
    }
    HEARD.fetch_add(1, Ordering::Relaxed);
}

fn log(random: &mut Random) {
    let hears = random.one_in(2);
    aura_set_log_handler(if hears { Some(hear) } else { None }, ptr::null_mut());
    let before = HEARD.load(Ordering::Relaxed);
    let level = random.of(&[3, 7, -1, 99]);
    let long = [b'x'; 400];
    // SAFETY: as many bytes as the precision says.
    let (_, answer) =
        call(|| unsafe { aura_log_emit(level, c"%.*s".as_ptr(), 400, long.as_ptr()) }, |()| false);
    let heard = HEARD.load(Ordering::Relaxed) - before;
    show(|| format!("aura_log_emit: {heard} heard"));
    if heard != u64::from(hears) || answer.errno != 0 {
        let Answer { errno, .. } = answer;
        broken(&format!("of one log message {heard} were heard (handler: {hears}), errno {errno}"));
    }
}

fn names(random: &mut Random) {
    let phase = random.of(&[0, 3, 6, 7, -1, i32::MAX]);
    // SAFETY: both are strings that last.
    let (name, version) =
        unsafe { (CStr::from_ptr(aura_phase_name(phase)), CStr::from_ptr(aura_version())) };
    let is_unknown = name.to_bytes() == b"UNKNOWN";
    if is_unknown == (0..=6).contains(&phase) {
        broken(&format!("phase {phase} is called {name:?}"));
    }
    if version.to_bytes().is_empty() || aura_version_int() <= 0 {
        broken("the library has no version");
    }
}
