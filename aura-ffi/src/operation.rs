//! Operations as data: one, or many at once.

use std::ffi::c_void;
use std::mem::offset_of;

use aura_engine::{Op, Target};
use libc::{c_int, c_uint, size_t};

use crate::errno::{Failure, Refusal, give, required};
use crate::header::{
    AURA_BUF_REGISTERED, AURA_BUF_UNREGISTERED, AURA_FIXED_FILE, AURA_LINK, AURA_OP_CLOSE,
    AURA_OP_FALLOCATE, AURA_OP_FDATASYNC, AURA_OP_FSYNC, AURA_OP_FTRUNCATE, AURA_OP_OPENAT,
    AURA_OP_READ, AURA_OP_READ_FIXED, AURA_OP_READV, AURA_OP_STATX, AURA_OP_SYNC_FILE_RANGE,
    AURA_OP_WRITE, AURA_OP_WRITE_FIXED, AURA_OP_WRITEV, aura_buf_t, aura_buf_t__bindgen_ty_1,
    aura_callback_t, aura_engine_t, aura_op_t, aura_op_type_t, aura_request_t,
};
use crate::names;
use crate::request;
use crate::sized;
use crate::submit::{Call, fsync_op, memory, path, submit};

const FIXED_FILE: u32 = AURA_FIXED_FILE as u32;
const LINK: u32 = AURA_LINK as u32;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn aura_op_init(op: *mut aura_op_t, type_: aura_op_type_t) {
    if !op.is_null() {
        // SAFETY: the caller's word.
        unsafe {
            op.write_bytes(0, 1);
            op.write(aura_op_t { type_, ..empty() });
        }
    }
}

fn empty() -> aura_op_t {
    aura_op_t {
        struct_size: size_of::<aura_op_t>(),
        type_: 0,
        flags: 0,
        fd: -1,
        op_flags: 0,
        buf: aura_buf_t {
            type_: AURA_BUF_UNREGISTERED,
            u: aura_buf_t__bindgen_ty_1 { ptr: std::ptr::null_mut() },
        },
        iov: std::ptr::null(),
        pathname: std::ptr::null(),
        statxbuf: std::ptr::null_mut(),
        len: 0,
        offset: 0,
        mode: 0,
        mask: 0,
        callback: None,
        user_data: std::ptr::null_mut(),
        _reserved: [0; 8],
    }
}

/// A caller's `aura_op_t`, completed with defaults. It has no `bool` and no enum of Rust's, so any
/// bits are a valid one.
///
/// # Safety
///
/// `given` is null, or points to as many bytes as its `struct_size` says.
unsafe fn read(given: *const aura_op_t) -> Result<aura_op_t, Refusal> {
    /// Without these there is no operation.
    const LEAST: usize = offset_of!(aura_op_t, op_flags);
    // SAFETY: by contract; and see above.
    let op = unsafe { sized::read(given, empty(), LEAST)?.as_ptr().read() };
    if op._reserved != [0; 8] {
        return Err(Refusal::invalid("op._reserved is not zero: call aura_op_init first"));
    }
    if op.flags & !(FIXED_FILE | LINK) != 0 {
        return Err(Refusal::invalid("op.flags has more than AURA_FIXED_FILE and AURA_LINK"));
    }
    Ok(op)
}

/// The operation as the engine takes it.
///
/// # Safety
///
/// A path is null or a string.
unsafe fn build(op: &aura_op_t) -> Result<Op, Refusal> {
    let target = if op.flags & FIXED_FILE == 0 {
        Target::Fd(op.fd)
    } else {
        let index = u32::try_from(op.fd);
        Target::Registered(index.map_err(|_| Refusal::invalid("the file's index is negative"))?)
    };
    let by_descriptor = || match target {
        Target::Fd(fd) => Ok(fd),
        Target::Registered(_) => {
            Err(Refusal::invalid("openat, close and statx take no AURA_FIXED_FILE"))
        }
    };
    let registered_buffer = || match op.buf.type_ {
        AURA_BUF_REGISTERED => memory(&op.buf),
        _ => Err(Refusal::invalid("this type of operation is for registered buffers")),
    };
    let len = op.len.cast_signed() as i64;
    Ok(match op.type_ {
        AURA_OP_READ => Op::read(target, memory(&op.buf)?, op.len, op.offset)?,
        AURA_OP_WRITE => Op::write(target, memory(&op.buf)?, op.len, op.offset)?,
        AURA_OP_READ_FIXED => Op::read(target, registered_buffer()?, op.len, op.offset)?,
        AURA_OP_WRITE_FIXED => Op::write(target, registered_buffer()?, op.len, op.offset)?,
        AURA_OP_READV => Op::readv(target, op.iov, op.len, op.offset)?,
        AURA_OP_WRITEV => Op::writev(target, op.iov, op.len, op.offset)?,
        AURA_OP_FSYNC => fsync_op(target, 0)?,
        AURA_OP_FDATASYNC => fsync_op(target, 1)?,
        AURA_OP_OPENAT => {
            // SAFETY: by contract.
            let path = unsafe { path(op.pathname)? };
            Op::openat(by_descriptor()?, path, op.op_flags, op.mode)?
        }
        AURA_OP_CLOSE => Op::close(by_descriptor()?)?,
        AURA_OP_STATX => {
            // SAFETY: by contract.
            let path = unsafe { path(op.pathname)? };
            Op::statx(by_descriptor()?, path, op.op_flags, op.mask, op.statxbuf)?
        }
        AURA_OP_FALLOCATE => Op::fallocate(target, op.op_flags, op.offset, len)?,
        AURA_OP_FTRUNCATE => Op::ftruncate(target, len)?,
        AURA_OP_SYNC_FILE_RANGE => {
            Op::sync_file_range(target, op.offset, len, op.op_flags as c_uint)?
        }
        _ => return Err(Refusal::invalid("op.type is no operation that can be submitted")),
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn aura_submit(
    engine: *mut aura_engine_t,
    op: *const aura_op_t,
    callback: aura_callback_t,
    user_data: *mut c_void,
) -> *mut aura_request_t {
    let submitted = names::find(engine).and_then(|engine| {
        // SAFETY: the caller's word.
        let op = unsafe { read(op)? };
        if op.flags & LINK != 0 {
            return Err(Refusal::invalid("AURA_LINK needs a next operation: aura_submit_batch"));
        }
        // SAFETY: the caller's word.
        unsafe { submit(&engine, &build(&op)?, Call { callback, user_data }) }
    });
    give(submitted)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn aura_submit_batch(
    engine: *mut aura_engine_t,
    ops: *const aura_op_t,
    count: size_t,
    requests: *mut *mut aura_request_t,
) -> c_int {
    // SAFETY: the caller's word.
    match unsafe { submit_batch(engine, ops, count, requests) } {
        Ok((submitted, None)) => submitted,
        Ok((submitted, Some(why))) => {
            let none: c_int = why.report();
            if submitted > 0 { submitted } else { none }
        }
        Err(refusal) => refusal.report(),
    }
}

/// How many were submitted, and why no more.
///
/// # Safety
///
/// As the header says of `aura_submit_batch`.
unsafe fn submit_batch(
    engine: *mut aura_engine_t,
    ops: *const aura_op_t,
    count: size_t,
    requests: *mut *mut aura_request_t,
) -> Result<(c_int, Option<Refusal>), Refusal> {
    let engine = names::find(engine)?;
    if count == 0 {
        return Ok((0, None));
    }
    if c_int::try_from(count).is_err() {
        return Err(Refusal::invalid("a batch of more than INT_MAX operations"));
    }
    // SAFETY: the caller's word.
    let batch = unsafe { Batch::read(ops, count)? };
    if !requests.is_null() {
        // SAFETY: the caller's word: there is room for `count`.
        unsafe { std::slice::from_raw_parts_mut(requests, count) }.fill(Failure::FAILED);
    }
    let mut taken = 0;
    let accepted = |handle| {
        if !requests.is_null() {
            // SAFETY: as above; no more are accepted than there are.
            unsafe { *requests.add(taken) = request::to_c(handle) };
        }
        taken += 1;
    };
    let items = batch.operations.into_iter().map(|(op, call)| {
        let user_data = call.user_data.expose_provenance() as u64;
        (op, user_data, move |completion| call.run(completion))
    });
    // SAFETY: the caller's word.
    match unsafe { engine.submit_batch(items, accepted) } {
        Ok(()) => Ok((count as c_int, None)),
        Err(partly) => Ok((partly.taken as c_int, Some(partly.error.into()))),
    }
}

/// Operations that make sense, one and all.
struct Batch {
    operations: Vec<(Op, Call)>,
}

impl Batch {
    /// # Safety
    ///
    /// `ops` is null, or points to `count` structs as long as the first one says.
    unsafe fn read(ops: *const aura_op_t, count: usize) -> Result<Self, Refusal> {
        const ODD: Refusal = Refusal::invalid("the operations differ in struct_size");
        let first = required(ops, "ops is NULL")?;
        // SAFETY: by contract.
        let stride = unsafe { first.cast::<usize>().read() };
        let mut operations = Vec::new();
        // The first is looked at before memory for all is asked for: the count may be nonsense.
        // SAFETY: by contract.
        unsafe { read(ops)? };
        operations
            .try_reserve_exact(count)
            .map_err(|_| Refusal::Own(libc::ENOMEM, "no memory for so many operations"))?;
        for index in 0..count {
            // SAFETY: by contract.
            let (size, op) = unsafe {
                let given = ops.byte_add(index * stride);
                let size = given.cast::<usize>().read_unaligned();
                if size != stride {
                    return Err(ODD);
                }
                (size, read(given)?)
            };
            debug_assert_eq!(size, stride);
            let is_linked = op.flags & LINK != 0;
            if is_linked && index + 1 == count {
                return Err(Refusal::invalid("AURA_LINK on the last operation of a batch"));
            }
            let call = Call { callback: op.callback, user_data: op.user_data };
            // SAFETY: by contract.
            let built = unsafe { build(&op)? };
            operations.push((if is_linked { built.linked() } else { built }, call));
        }
        Ok(Self { operations })
    }
}
