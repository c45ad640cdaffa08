//! Requests: handles as pointers of C, and questions about them.

use std::ffi::c_void;

use aura_engine::{Handle, request_info, request_is_pending};
use libc::c_int;

use crate::errno::{Refusal, give};
use crate::header::{aura_engine_t, aura_request_t};
use crate::names;

const _: () = assert!(size_of::<*mut aura_request_t>() == 8, "a handle has 64 bits");

/// The handle in the form in which C has it: a number, never an address.
#[inline]
pub(crate) fn to_c(handle: Handle) -> *mut aura_request_t {
    std::ptr::without_provenance_mut(handle.to_bits() as usize)
}

fn from_c(request: *const aura_request_t) -> Result<Handle, Refusal> {
    match request.addr() {
        0 => Err(Refusal::invalid("req is NULL")),
        bits => Ok(Handle::from_bits(bits as u64)),
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn aura_cancel(engine: *mut aura_engine_t, req: *mut aura_request_t) -> c_int {
    let cancelled = names::find(engine).and_then(|engine| {
        engine.cancel(from_c(req)?)?;
        Ok(0)
    });
    give(cancelled)
}

#[unsafe(no_mangle)]
pub extern "C" fn aura_request_pending(req: *const aura_request_t) -> bool {
    from_c(req).is_ok_and(request_is_pending)
}

fn info(req: *const aura_request_t) -> Result<aura_engine::RequestInfo, Refusal> {
    request_info(from_c(req)?).ok_or(Refusal::Engine(aura_engine::Error::AlreadyCompleted))
}

#[unsafe(no_mangle)]
pub extern "C" fn aura_request_fd(req: *const aura_request_t) -> c_int {
    give(info(req).map(|info| info.fd))
}

#[unsafe(no_mangle)]
pub extern "C" fn aura_request_user_data(req: *const aura_request_t) -> *mut c_void {
    let user_data = |word: u64| std::ptr::with_exposed_provenance_mut(word as usize);
    give(info(req).map(|info| user_data(info.user_data)))
}

#[unsafe(no_mangle)]
pub extern "C" fn aura_request_op_type(req: *const aura_request_t) -> c_int {
    give(info(req).map(|info| info.kind as c_int))
}
