//! Submitting, and the functions that submit one operation each.

use std::ffi::{CStr, c_char, c_void};

use aura_engine::{Completion, Memory, Op, Target};
use libc::{c_int, c_uint, iovec, mode_t, off_t, size_t, statx};

use crate::errno::{Refusal, required};
use crate::header::{
    AURA_BUF_REGISTERED, AURA_BUF_UNREGISTERED, AURA_FSYNC_DATASYNC, AURA_FSYNC_DEFAULT,
    aura_buf_t, aura_callback_t, aura_engine_t, aura_request_t,
};
use crate::names;
use crate::request;

/// What a completed operation calls, as the engine stores it.
#[derive(Clone, Copy)]
pub(crate) struct Call {
    pub(crate) callback: aura_callback_t,
    pub(crate) user_data: *mut c_void,
}

// SAFETY: the header says on which thread callbacks run; what `user_data` means is theirs.
unsafe impl Send for Call {}

impl Call {
    #[inline]
    pub(crate) fn run(self, completion: Completion) {
        if let Some(callback) = self.callback {
            // SAFETY: the caller's word that this is a function of the type in the header.
            unsafe {
                let request = request::to_c(completion.handle);
                callback(request, completion.result as isize, self.user_data);
            }
        }
    }
}

/// Submits a checked operation.
///
/// # Safety
///
/// What the operation names stays valid until its callback begins.
#[inline]
pub(crate) unsafe fn submit(
    engine: &aura_engine::Engine,
    op: &Op,
    call: Call,
) -> Result<*mut aura_request_t, Refusal> {
    let user_data = call.user_data.expose_provenance() as u64;
    // SAFETY: by contract.
    let submitted = unsafe { engine.submit(op, user_data, move |completion| call.run(completion)) };
    match submitted {
        Ok(handle) => Ok(request::to_c(handle)),
        Err(rejected) => Err(rejected.error.into()),
    }
}

/// The frame of all short forms: finds the engine, builds the operation, submits.
///
/// # Safety
///
/// As [`submit`].
#[inline]
unsafe fn short_form(
    engine: *mut aura_engine_t,
    callback: aura_callback_t,
    user_data: *mut c_void,
    op: impl FnOnce() -> Result<Op, Refusal>,
) -> *mut aura_request_t {
    let Some(engine) = names::engine(engine) else { return Refusal::NO_ENGINE.report() };
    let op = match op() {
        Ok(op) => op,
        Err(refusal) => return refusal.report(),
    };
    // SAFETY: by contract.
    match unsafe { submit(engine, &op, Call { callback, user_data }) } {
        Ok(request) => request,
        Err(refusal) => refusal.report(),
    }
}

/// Submits nothing at all, as C would if the interface had it: what the interface itself costs.
///
/// # Safety
///
/// The callback is safe to call with `user_data`.
#[doc(hidden)]
pub unsafe extern "C" fn nop(
    engine: *mut aura_engine_t,
    callback: aura_callback_t,
    user_data: *mut c_void,
) -> *mut aura_request_t {
    // SAFETY: by contract; it names no memory.
    unsafe { short_form(engine, callback, user_data, || Ok(Op::nop())) }
}

/// The memory that a descriptor names.
#[inline]
pub(crate) fn memory(buf: &aura_buf_t) -> Result<Memory, Refusal> {
    match buf.type_ {
        // SAFETY: the member that goes with the type; any bits are a pointer.
        AURA_BUF_UNREGISTERED => match unsafe { buf.u.ptr } {
            null if null.is_null() => Err(Refusal::invalid("the buffer is NULL")),
            ptr => Ok(Memory::Address(ptr.cast())),
        },
        AURA_BUF_REGISTERED => {
            // SAFETY: the member that goes with the type; any bits are numbers.
            let place = unsafe { buf.u.fixed };
            match u32::try_from(place.index) {
                Ok(index) => Ok(Memory::Registered { index, offset: place.offset }),
                Err(_) => Err(Refusal::invalid("the index of the registered buffer is negative")),
            }
        }
        _ => Err(Refusal::invalid("the buffer's type is no AURA_BUF_*: use aura_buf()")),
    }
}

/// # Safety
///
/// `path` is null or a string that stays valid until the operation's callback begins.
pub(crate) unsafe fn path<'a>(path: *const c_char) -> Result<&'a CStr, Refusal> {
    required(path, "the path is NULL")?;
    // SAFETY: by contract.
    Ok(unsafe { CStr::from_ptr(path) })
}

pub(crate) fn fsync_op(target: Target, flags: c_uint) -> Result<Op, Refusal> {
    const DEFAULT: c_uint = AURA_FSYNC_DEFAULT as c_uint;
    const DATASYNC: c_uint = AURA_FSYNC_DATASYNC as c_uint;
    match flags {
        DEFAULT => Ok(Op::fsync(target)?),
        DATASYNC => Ok(Op::fdatasync(target)?),
        _ => Err(Refusal::invalid("flags is no AURA_FSYNC_*")),
    }
}

pub(crate) fn iovec_count(count: c_int) -> Result<usize, Refusal> {
    usize::try_from(count).map_err(|_| Refusal::invalid("iovcnt is negative"))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn aura_read(
    engine: *mut aura_engine_t,
    fd: c_int,
    buf: aura_buf_t,
    len: size_t,
    offset: off_t,
    callback: aura_callback_t,
    user_data: *mut c_void,
) -> *mut aura_request_t {
    let op = || Ok(Op::read(Target::Fd(fd), memory(&buf)?, len, offset)?);
    // SAFETY: the caller's word.
    unsafe { short_form(engine, callback, user_data, op) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn aura_write(
    engine: *mut aura_engine_t,
    fd: c_int,
    buf: aura_buf_t,
    len: size_t,
    offset: off_t,
    callback: aura_callback_t,
    user_data: *mut c_void,
) -> *mut aura_request_t {
    let op = || Ok(Op::write(Target::Fd(fd), memory(&buf)?, len, offset)?);
    // SAFETY: the caller's word.
    unsafe { short_form(engine, callback, user_data, op) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn aura_readv(
    engine: *mut aura_engine_t,
    fd: c_int,
    iov: *const iovec,
    iovcnt: c_int,
    offset: off_t,
    callback: aura_callback_t,
    user_data: *mut c_void,
) -> *mut aura_request_t {
    let op = || Ok(Op::readv(Target::Fd(fd), iov, iovec_count(iovcnt)?, offset)?);
    // SAFETY: the caller's word.
    unsafe { short_form(engine, callback, user_data, op) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn aura_writev(
    engine: *mut aura_engine_t,
    fd: c_int,
    iov: *const iovec,
    iovcnt: c_int,
    offset: off_t,
    callback: aura_callback_t,
    user_data: *mut c_void,
) -> *mut aura_request_t {
    let op = || Ok(Op::writev(Target::Fd(fd), iov, iovec_count(iovcnt)?, offset)?);
    // SAFETY: the caller's word.
    unsafe { short_form(engine, callback, user_data, op) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn aura_fsync(
    engine: *mut aura_engine_t,
    fd: c_int,
    flags: c_uint,
    callback: aura_callback_t,
    user_data: *mut c_void,
) -> *mut aura_request_t {
    // SAFETY: the caller's word.
    unsafe { short_form(engine, callback, user_data, || fsync_op(Target::Fd(fd), flags)) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn aura_openat(
    engine: *mut aura_engine_t,
    dirfd: c_int,
    pathname: *const c_char,
    flags: c_int,
    mode: mode_t,
    callback: aura_callback_t,
    user_data: *mut c_void,
) -> *mut aura_request_t {
    // SAFETY: the caller's word.
    let op = || Ok(Op::openat(dirfd, unsafe { path(pathname)? }, flags, mode)?);
    // SAFETY: the caller's word.
    unsafe { short_form(engine, callback, user_data, op) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn aura_close(
    engine: *mut aura_engine_t,
    fd: c_int,
    callback: aura_callback_t,
    user_data: *mut c_void,
) -> *mut aura_request_t {
    // SAFETY: the caller's word.
    unsafe { short_form(engine, callback, user_data, || Ok(Op::close(fd)?)) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn aura_statx(
    engine: *mut aura_engine_t,
    dirfd: c_int,
    pathname: *const c_char,
    flags: c_int,
    mask: c_uint,
    statxbuf: *mut statx,
    callback: aura_callback_t,
    user_data: *mut c_void,
) -> *mut aura_request_t {
    // SAFETY: the caller's word.
    let op = || Ok(Op::statx(dirfd, unsafe { path(pathname)? }, flags, mask, statxbuf)?);
    // SAFETY: the caller's word.
    unsafe { short_form(engine, callback, user_data, op) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn aura_fallocate(
    engine: *mut aura_engine_t,
    fd: c_int,
    mode: c_int,
    offset: off_t,
    len: off_t,
    callback: aura_callback_t,
    user_data: *mut c_void,
) -> *mut aura_request_t {
    let op = || Ok(Op::fallocate(Target::Fd(fd), mode, offset, len)?);
    // SAFETY: the caller's word.
    unsafe { short_form(engine, callback, user_data, op) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn aura_ftruncate(
    engine: *mut aura_engine_t,
    fd: c_int,
    length: off_t,
    callback: aura_callback_t,
    user_data: *mut c_void,
) -> *mut aura_request_t {
    let op = || Ok(Op::ftruncate(Target::Fd(fd), length)?);
    // SAFETY: the caller's word.
    unsafe { short_form(engine, callback, user_data, op) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn aura_sync_file_range(
    engine: *mut aura_engine_t,
    fd: c_int,
    offset: off_t,
    nbytes: off_t,
    flags: c_uint,
    callback: aura_callback_t,
    user_data: *mut c_void,
) -> *mut aura_request_t {
    let op = || Ok(Op::sync_file_range(Target::Fd(fd), offset, nbytes, flags)?);
    // SAFETY: the caller's word.
    unsafe { short_form(engine, callback, user_data, op) }
}
