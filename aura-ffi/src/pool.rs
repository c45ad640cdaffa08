//! Shares of an engine's buffer pool, for buffers that may outlive the engine.

use std::ffi::c_void;
use std::ptr::NonNull;

use aura_engine::Pool;
use aura_engine::log::{Level, emit};

use crate::errno::{Refusal, give, set};
use crate::header::{aura_engine_t, aura_pool_t};
use crate::names;

#[unsafe(no_mangle)]
pub extern "C" fn aura_pool_share(engine: *mut aura_engine_t) -> *mut aura_pool_t {
    give(names::find(engine).map(|engine| Box::into_raw(Box::new(engine.pool().clone())).cast()))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn aura_pool_free(pool: *mut aura_pool_t, buf: *mut c_void) {
    let Some(buffer) = NonNull::new(buf.cast::<u8>()) else { return };
    // SAFETY: the caller's word: NULL, or a share that was not given back.
    let Some(pool) = (unsafe { pool.cast::<Pool>().as_ref() }) else {
        return Refusal::invalid("the pool is NULL").report();
    };
    if let Err(error) = pool.free(buffer) {
        emit(Level::Error, format_args!("aura_pool_free({buf:p}): {error}"));
        set(libc::EINVAL);
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn aura_pool_release(pool: *mut aura_pool_t) {
    if !pool.is_null() {
        // SAFETY: the caller's word: from `aura_pool_share`, and given back once.
        drop(unsafe { Box::from_raw(pool.cast::<Pool>()) });
    }
}
