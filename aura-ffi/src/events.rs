//! Processing completions.

use std::time::Duration;

use libc::c_int;

use crate::errno::{Refusal, give};
use crate::header::aura_engine_t;
use crate::names;

#[unsafe(no_mangle)]
pub extern "C" fn aura_get_poll_fd(engine: *const aura_engine_t) -> c_int {
    give(names::find(engine).and_then(|engine| Ok(engine.poll_fd()?)))
}

#[unsafe(no_mangle)]
pub extern "C" fn aura_poll(engine: *mut aura_engine_t) -> c_int {
    let polled =
        names::find(engine).and_then(|engine| Ok(engine.processing(|engine| engine.poll())?));
    give(polled.map(count))
}

#[unsafe(no_mangle)]
pub extern "C" fn aura_wait(engine: *mut aura_engine_t, timeout_ms: c_int) -> c_int {
    let waited = names::find(engine).and_then(|engine| {
        let timeout = timeout(timeout_ms)?;
        let _alive = engine.sleeping();
        Ok(engine.processing(|engine| engine.wait(timeout))?)
    });
    give(waited.map(count))
}

#[unsafe(no_mangle)]
pub extern "C" fn aura_run(engine: *mut aura_engine_t) {
    let ran = names::find(engine).map(|engine| {
        let _alive = engine.sleeping();
        engine.processing(|engine| engine.run());
    });
    give(ran);
}

#[unsafe(no_mangle)]
pub extern "C" fn aura_stop(engine: *mut aura_engine_t) {
    give(names::find(engine).map(|engine| engine.stop()));
}

#[unsafe(no_mangle)]
pub extern "C" fn aura_drain(engine: *mut aura_engine_t, timeout_ms: c_int) -> c_int {
    let drained = names::find(engine).and_then(|engine| {
        let timeout = timeout(timeout_ms)?;
        let _alive = engine.sleeping();
        Ok(engine.processing(|engine| engine.drain(timeout))?)
    });
    give(drained.map(count))
}

#[unsafe(no_mangle)]
pub extern "C" fn aura_flush(engine: *mut aura_engine_t) -> c_int {
    give(names::find(engine).and_then(|engine| Ok(engine.flush()?)).map(|()| 0))
}

#[unsafe(no_mangle)]
pub extern "C" fn aura_pending_count(engine: *const aura_engine_t) -> c_int {
    give(names::find(engine).map(|engine| count(engine.pending() as usize)))
}

#[unsafe(no_mangle)]
pub extern "C" fn aura_in_callback_context() -> bool {
    aura_engine::in_callback_context()
}

fn count(operations: usize) -> c_int {
    c_int::try_from(operations).unwrap_or(c_int::MAX)
}

fn timeout(timeout_ms: c_int) -> Result<Option<Duration>, Refusal> {
    match timeout_ms {
        -1 => Ok(None),
        ms => match u64::try_from(ms) {
            Ok(ms) => Ok(Some(Duration::from_millis(ms))),
            Err(_) => Err(Refusal::invalid("a timeout below -1")),
        },
    }
}
