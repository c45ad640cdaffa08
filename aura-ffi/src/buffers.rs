//! Memory: descriptors of it, and buffers from the pool.

use std::ffi::c_void;
use std::ptr::NonNull;

use aura_engine::AllocError;
use aura_engine::log::{Level, emit};
use libc::{c_int, size_t};

use crate::errno::{Refusal, give, set};
use crate::header::{
    AURA_BUF_REGISTERED, AURA_BUF_UNREGISTERED, aura_buf_t, aura_buf_t__bindgen_ty_1,
    aura_buf_t__bindgen_ty_1__bindgen_ty_1 as Place, aura_engine_t,
};
use crate::names;

// These three are inline in the header; here are the symbols for whoever cannot include it.

#[unsafe(no_mangle)]
pub extern "C" fn aura_buf(ptr: *mut c_void) -> aura_buf_t {
    let mut u = aura_buf_t__bindgen_ty_1 { fixed: Place { index: 0, offset: 0 } };
    u.ptr = ptr;
    aura_buf_t { type_: AURA_BUF_UNREGISTERED, u }
}

#[unsafe(no_mangle)]
pub extern "C" fn aura_buf_fixed(index: c_int, offset: size_t) -> aura_buf_t {
    if index < 0 {
        return aura_buf(std::ptr::null_mut());
    }
    let u = aura_buf_t__bindgen_ty_1 { fixed: Place { index, offset } };
    aura_buf_t { type_: AURA_BUF_REGISTERED, u }
}

#[unsafe(no_mangle)]
pub extern "C" fn aura_buf_fixed_idx(index: c_int) -> aura_buf_t {
    aura_buf_fixed(index, 0)
}

#[unsafe(no_mangle)]
pub extern "C" fn aura_buffer_alloc(engine: *mut aura_engine_t, size: size_t) -> *mut c_void {
    let allocated = names::find(engine).and_then(|engine| match engine.pool().alloc(size) {
        Ok(buffer) => Ok(buffer.as_ptr().cast()),
        Err(AllocError::ZeroSize) => Err(Refusal::invalid("a buffer of no bytes")),
        Err(AllocError::TooLarge { .. }) => {
            Err(Refusal::invalid("a buffer above 128 MiB, the largest in the pool"))
        }
        Err(_) => Err(Refusal::Own(libc::ENOMEM, "no memory for a buffer")),
    });
    give(allocated)
}

#[unsafe(no_mangle)]
pub extern "C" fn aura_buffer_free(engine: *mut aura_engine_t, buf: *mut c_void) {
    let Some(buffer) = NonNull::new(buf.cast::<u8>()) else { return };
    match names::find(engine) {
        Err(refusal) => refusal.report(),
        Ok(engine) => {
            if let Err(error) = engine.pool().free(buffer) {
                emit(Level::Error, format_args!("aura_buffer_free({buf:p}): {error}"));
                set(libc::EINVAL);
            }
        }
    }
}
