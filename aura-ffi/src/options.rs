//! Settings: from a struct of C to a configuration.

use std::time::Duration;

use aura_engine::{Config, RingSelect};
use libc::c_int;

use crate::errno::Refusal;
use crate::header::{
    AURA_SELECT_ADAPTIVE, AURA_SELECT_CPU_LOCAL, AURA_SELECT_ROUND_ROBIN, aura_options_t,
};
use crate::sized;

const QUEUE_DEPTH: c_int = 1024;
const INITIAL_IN_FLIGHT: c_int = QUEUE_DEPTH / 4;
const MIN_IN_FLIGHT: c_int = 4;
const SQPOLL_IDLE_MS: c_int = 1000;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn aura_options_init(options: *mut aura_options_t) {
    if !options.is_null() {
        // SAFETY: the caller's word. Padding is zeroed too: it may be compared, or sent elsewhere.
        unsafe {
            options.write_bytes(0, 1);
            options.write(defaults());
        }
    }
}

fn defaults() -> aura_options_t {
    aura_options_t {
        struct_size: size_of::<aura_options_t>(),
        queue_depth: QUEUE_DEPTH,
        ring_count: 0,
        initial_in_flight: INITIAL_IN_FLIGHT,
        min_in_flight: MIN_IN_FLIGHT,
        max_p99_latency_ms: 0.0,
        buffer_alignment: page_bytes(),
        disable_adaptive: false,
        enable_sqpoll: false,
        sqpoll_idle_ms: SQPOLL_IDLE_MS,
        ring_select: AURA_SELECT_ADAPTIVE,
        single_thread: false,
        _reserved: [0; 7],
    }
}

fn page_bytes() -> usize {
    // SAFETY: asks for a number.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

/// Checks settings and turns them into a configuration; the engine checks the rest.
///
/// # Safety
///
/// `options` is null, or points to as many bytes as its `struct_size` says.
pub(crate) unsafe fn read(options: *const aura_options_t) -> Result<Config, Refusal> {
    /// Up to here there is nothing that could be set.
    const LEAST: usize = std::mem::offset_of!(aura_options_t, queue_depth);
    // SAFETY: by contract. C writes anything into a `bool`; those are read as bytes.
    let options = unsafe { sized::read(options, defaults(), LEAST)? };
    let flag = |at: usize| options.byte(at) != 0;
    let disable_adaptive = flag(std::mem::offset_of!(aura_options_t, disable_adaptive));
    let enable_sqpoll = flag(std::mem::offset_of!(aura_options_t, enable_sqpoll));
    let single_thread = flag(std::mem::offset_of!(aura_options_t, single_thread));
    macro_rules! field {
        ($name:ident) => {
            // SAFETY: a number, for which every bit pattern is one.
            unsafe { (&raw const (*options.as_ptr()).$name).read() }
        };
    }
    if field!(_reserved) != [0; 7] {
        return Err(Refusal::invalid(
            "options._reserved is not zero: call aura_options_init first",
        ));
    }
    let queue_depth = count(field!(queue_depth), "queue_depth must be 1 to 32768")?;
    // The defaults of two settings do not fit every value of a third.
    let fitting = |value: c_int, default: c_int| match u32::try_from(value) {
        Ok(limit) if value == default => limit.min(queue_depth.max(1)),
        Ok(limit) => limit,
        Err(_) => u32::MAX, // Refused by the engine, by name.
    };
    let ring_count =
        count(field!(ring_count), "ring_count must be 1 to 1024, or 0 for one per CPU")?;
    let initial = fitting(field!(initial_in_flight), INITIAL_IN_FLIGHT);
    let min = fitting(field!(min_in_flight), MIN_IN_FLIGHT);
    let idle_ms = count(field!(sqpoll_idle_ms), "sqpoll_idle_ms must not be negative")?;
    let idle_ms = if idle_ms == 0 { SQPOLL_IDLE_MS as u32 } else { idle_ms };
    let alignment = field!(buffer_alignment);
    Ok(Config {
        queue_depth,
        ring_count: (ring_count > 0).then_some(ring_count),
        initial_in_flight: (initial > 0).then_some(initial),
        // The default floor gives way to a lower beginning.
        min_in_flight: (min > 0).then(|| match (min, initial) {
            (min, 1..) if min == MIN_IN_FLIGHT as u32 => min.min(initial),
            (min, _) => min,
        }),
        target_p99: latency(field!(max_p99_latency_ms))?,
        buffer_alignment: (alignment > 0).then_some(alignment),
        disable_adaptive,
        sqpoll_idle: enable_sqpoll.then(|| Duration::from_millis(idle_ms.into())),
        ring_select: match field!(ring_select) {
            AURA_SELECT_ADAPTIVE => RingSelect::Adaptive,
            AURA_SELECT_CPU_LOCAL => RingSelect::CpuLocal,
            AURA_SELECT_ROUND_ROBIN => RingSelect::RoundRobin,
            _ => return Err(Refusal::invalid("ring_select is no AURA_SELECT_*")),
        },
        single_thread,
        ..Config::default()
    })
}

fn count(value: c_int, why: &'static str) -> Result<u32, Refusal> {
    u32::try_from(value).map_err(|_| Refusal::invalid(why))
}

/// A latency in milliseconds; 0 is none.
pub(crate) fn latency(latency_ms: f64) -> Result<Option<Duration>, Refusal> {
    if latency_ms == 0.0 {
        return Ok(None);
    }
    let target = Duration::try_from_secs_f64(latency_ms / 1e3).ok();
    let sensible = target.filter(|t| !t.is_zero() && *t <= Duration::from_secs(86_400));
    sensible.map(Some).ok_or(Refusal::invalid(
        "max_p99_latency_ms must be above 0 and at most a day, or 0 for automatic",
    ))
}
