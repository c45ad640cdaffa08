//! What an engine counts, as text in the caller's buffer.

use std::ffi::c_char;
use std::fmt::{self, Write};

use aura_engine::aura_metrics::{Metrics, SCHEMA_STABILITY, SCHEMA_VERSION, otlp_json, prometheus};
use libc::{c_int, size_t};

use crate::errno::{Refusal, give, set};
use crate::header::{self, aura_engine_t};
use crate::names;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn aura_metrics_prometheus(
    engine: *const aura_engine_t,
    buf: *mut c_char,
    buf_size: size_t,
) -> c_int {
    // SAFETY: the caller's word.
    unsafe { rendered(engine, buf, buf_size, |metrics, page| prometheus::render(metrics, page)) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn aura_metrics_otel(
    engine: *const aura_engine_t,
    buf: *mut c_char,
    buf_size: size_t,
) -> c_int {
    // SAFETY: the caller's word.
    unsafe { rendered(engine, buf, buf_size, |metrics, page| otlp_json::render(metrics, page)) }
}

/// # Safety
///
/// `buf` is null, or points to `buf_size` bytes.
unsafe fn rendered(
    engine: *const aura_engine_t,
    buf: *mut c_char,
    buf_size: size_t,
    render: fn(&Metrics, &mut Page<'_>) -> fmt::Result,
) -> c_int {
    let metrics = names::find(engine).and_then(|engine| match (buf.is_null(), buf_size) {
        (true, 1..) => Err(Refusal::invalid("the buffer is NULL, and not of size 0")),
        _ => Ok(engine.metrics()),
    });
    let metrics = match metrics {
        Ok(metrics) => metrics,
        Err(refusal) => return give(Err(refusal)),
    };
    let room = match buf_size {
        0 => &mut [],
        // SAFETY: by contract, and not null.
        _ => unsafe { std::slice::from_raw_parts_mut(buf.cast::<u8>(), buf_size) },
    };
    let mut page = Page { room, length: 0 };
    // A page takes everything, to count it.
    let _ = render(&metrics, &mut page);
    let length = page.finish();
    drop(metrics);
    let counted = |length: usize| c_int::try_from(length).unwrap_or(c_int::MAX);
    length.map_or_else(
        |needed| {
            set(libc::ENOBUFS);
            -counted(needed)
        },
        counted,
    )
}

/// Text in memory of the caller's. What finds no room is counted.
struct Page<'a> {
    room: &'a mut [u8],
    length: usize,
}

impl Write for Page<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        if let Some(place) = self.room.get_mut(self.length..end) {
            place.copy_from_slice(text.as_bytes());
        }
        self.length = end;
        Ok(())
    }
}

impl Page<'_> {
    /// Ends the text with a NUL. The error is the room needed for all that and the NUL.
    fn finish(self) -> Result<usize, usize> {
        if let Some(end) = self.room.get_mut(self.length) {
            *end = 0;
            return Ok(self.length);
        }
        if let Some(first) = self.room.first_mut() {
            *first = 0; // Not half a page.
        }
        Err(self.length + 1)
    }
}

/// The headers' constants are those of the table of metrics.
const _: () = {
    assert!(same(header::AURA_PROMETHEUS_SCHEMA_VERSION, SCHEMA_VERSION));
    assert!(same(header::AURA_PROMETHEUS_SCHEMA_STABILITY, SCHEMA_STABILITY));
    assert!(same(header::AURA_PROMETHEUS_CONTENT_TYPE, prometheus::CONTENT_TYPE));
    assert!(same(header::AURA_OTEL_SCHEMA_VERSION, SCHEMA_VERSION));
    assert!(same(header::AURA_OTEL_SCHEMA_STABILITY, SCHEMA_STABILITY));
};

/// Whether a string of the header, which ends with a NUL, is ours.
const fn same(c: &[u8], ours: &str) -> bool {
    let ours = ours.as_bytes();
    let mut at = 0;
    while at < ours.len() && at < c.len() && c[at] == ours[at] {
        at += 1;
    }
    at == ours.len() && at + 1 == c.len()
}
