//! Single operations with arguments that are right, wrong, or the kernel's to judge.
//!
//! This file is `unsafe` because it names memory: all of it lasts as long as the process.

use std::ffi::{CStr, c_char};
use std::ptr;
use std::sync::OnceLock;

use aura_ffi::header::aura_buf_t;
use aura_ffi::{
    aura_buf, aura_buf_fixed, aura_buf_fixed_idx, aura_close, aura_fallocate, aura_fsync,
    aura_ftruncate, aura_openat, aura_read, aura_readv, aura_statx, aura_sync_file_range,
    aura_write, aura_writev,
};
use aura_stress::random::Random;
use libc::{c_int, iovec, off_t, size_t};

use super::is_in_callback;
use super::submission::{Plan, Sense, submit};
use crate::world::{self, Picked};

/// Bytes of the memory that operations use. They may share it: nobody looks at what is in there.
pub(super) const MEMORY_BYTES: usize = 1 << 16;
/// Longest single transfer.
const LENGTH_MAX: usize = 4096;
/// One more than an operation may have.
const TOO_LONG: usize = (2 << 30) - 4096 + 1;
/// What follows 1024 elements.
const IOVECS: usize = 1025;

/// Memory that the process keeps for ever.
#[derive(Clone, Copy, Debug)]
struct Memory(*mut u8);

// SAFETY: it lasts for ever, and is only ever read and written by the kernel.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

pub(super) fn memory() -> *mut u8 {
    static MEMORY: OnceLock<Memory> = OnceLock::new();
    let leak = || Memory(Box::leak(vec![0_u8; MEMORY_BYTES].into_boxed_slice()).as_mut_ptr());
    MEMORY.get_or_init(leak).0
}

/// Elements for vectored operations: of 16 bytes each, all over the same memory.
pub(super) fn iovecs() -> *const iovec {
    static IOVS: OnceLock<usize> = OnceLock::new();
    let leak = || {
        let element = iovec { iov_base: memory().cast(), iov_len: IOV_BYTES };
        Box::leak(vec![element; IOVECS].into_boxed_slice()).as_ptr().expose_provenance()
    };
    ptr::with_exposed_provenance(*IOVS.get_or_init(leak))
}
const IOV_BYTES: usize = 16;

/// Where metadata goes.
pub(super) fn status() -> *mut libc::statx {
    // The memory is aligned for anything: `vec` of that size comes from pages of its own.
    memory().cast()
}

/// Arguments of a transfer.
#[derive(Clone, Copy)]
pub(super) struct Transfer {
    pub(super) fd: c_int,
    pub(super) buf: aura_buf_t,
    pub(super) len: size_t,
    pub(super) offset: off_t,
}

/// Draws a transfer, and says what is known of it.
pub(super) fn transfer(random: &mut Random, what: &'static str, writes: bool) -> (Transfer, Plan) {
    let len = 1 + random.index(LENGTH_MAX);
    let mut plan = Plan::new(what, Sense::Good, len as i64);
    let fd = world::with(|world| {
        // Not in a callback: the call that runs it may wait for all there is.
        plan.is_stuck = !writes && !is_in_callback() && random.one_in(16);
        if plan.is_stuck { world.stuck_fd() } else { world.pick_fd(random) }
    });
    if fd < 0 {
        plan.sense = Sense::Open; // Of negative descriptors the kernel says `EBADF`.
    }
    let mut given = Transfer { fd, buf: aura_buf(memory().cast()), len, offset: 0 };
    given.offset = if plan.is_stuck { 0 } else { random.below(1 << 20) as i64 };
    if !plan.is_stuck && random.one_in(8) {
        plan.registered_buffer = true;
        plan.sense = Sense::Open; // Inside what is registered, or not.
        let index = random.of(&[0, 0, 0, 1, 77, c_int::MAX]);
        let offset = random.of(&[0, 512, MEMORY_BYTES, usize::MAX, usize::MAX - 100]);
        given.buf = aura_buf_fixed(index, offset);
        return (given, plan);
    }
    if random.one_in(8) {
        plan.sense = Sense::Bad;
        plan.is_stuck = false;
        match random.below(6) {
            0 => given.buf = aura_buf(ptr::null_mut()),
            1 => given.buf = aura_buf_fixed_idx(random.of(&[-1, c_int::MIN])),
            2 => given.buf.type_ = random.of(&[2, 99, u32::MAX]),
            3 => given.len = random.of(&[TOO_LONG, usize::MAX, 1 << 40]),
            4 => given.offset = random.of(&[-1, -4096, off_t::MIN]),
            _ => given.offset = off_t::MAX, // The end of the range would be none.
        }
        if given.offset == off_t::MAX {
            plan.sense = Sense::Open;
        }
    }
    (given, plan)
}

/// Submits one operation by its own function.
pub(super) fn submit_one(random: &mut Random) {
    let picked = world::with(|world| world.pick_engine(random));
    match random.below(20) {
        0..5 => {
            let (Transfer { fd, buf, len, offset }, plan) = transfer(random, "aura_read", false);
            // SAFETY: memory for as many bytes, or arguments that are refused; so below.
            submit(random, picked, &plan, |engine, call, data| unsafe {
                aura_read(engine, fd, buf, len, offset, call, data)
            });
        }
        5..9 => {
            let (Transfer { fd, buf, len, offset }, plan) = transfer(random, "aura_write", true);
            // SAFETY: as above.
            submit(random, picked, &plan, |engine, call, data| unsafe {
                aura_write(engine, fd, buf, len, offset, call, data)
            });
        }
        9 | 10 => vectored(random, picked),
        11 | 12 => sync(random, picked),
        13..15 => open(random, picked),
        15 => close(random, picked),
        16 => stat(random, picked),
        17 => allocate(random, picked),
        18 => truncate(random, picked),
        _ => range(random, picked),
    }
}

fn vectored(random: &mut Random, picked: Picked) {
    let count = random.of(&[1, 2, 3, 1024, 0, -1, 1025, c_int::MIN, c_int::MAX]);
    let iov = if random.one_in(8) { ptr::null() } else { iovecs() };
    let fine = (1..=1024).contains(&count) && !iov.is_null();
    let offset = random.of(&[0, 0, 4096, -1]);
    let sense = if fine && offset >= 0 { Sense::Good } else { Sense::Bad };
    let fd = world::with(|world| world.pick_fd(random));
    let sense = if fd < 0 && sense == Sense::Good { Sense::Open } else { sense };
    let longest = i64::from(count.max(0)) * IOV_BYTES as i64;
    if random.one_in(2) {
        let plan = Plan::new("aura_readv", sense, longest);
        // SAFETY: as many elements, over memory that lasts, or arguments that are refused; so below.
        submit(random, picked, &plan, |engine, call, data| unsafe {
            aura_readv(engine, fd, iov, count, offset, call, data)
        });
    } else {
        let plan = Plan::new("aura_writev", sense, longest);
        // SAFETY: as above.
        submit(random, picked, &plan, |engine, call, data| unsafe {
            aura_writev(engine, fd, iov, count, offset, call, data)
        });
    }
}

fn sync(random: &mut Random, picked: Picked) {
    let fd = world::with(|world| world.pick_fd(random));
    let flags = random.of(&[0, 1, 1, 2, u32::MAX]);
    let sense = if flags > 1 { Sense::Bad } else { Sense::Open };
    let plan = Plan::new("aura_fsync", sense, 0);
    submit(random, picked, &plan, |engine, call, data| {
        // SAFETY: it names no memory.
        unsafe { aura_fsync(engine, fd, flags, call, data) }
    });
}

/// A path below the working directory, which is the case's own; or none.
pub(super) fn path(random: &mut Random) -> *const c_char {
    let paths: [&CStr; 6] = [c"a", c"b", c"a", c"missing/a", c"", c"."];
    if random.one_in(8) { ptr::null() } else { random.of(&paths).as_ptr() }
}

fn open(random: &mut Random, picked: Picked) {
    let path = path(random);
    let all = [
        libc::O_CREAT,
        libc::O_TRUNC,
        libc::O_APPEND,
        libc::O_DIRECT,
        libc::O_DIRECTORY,
        libc::O_EXCL,
    ];
    let mut flags = random.of(&[libc::O_RDONLY, libc::O_WRONLY, libc::O_RDWR]) | libc::O_CLOEXEC;
    all.iter().filter(|_| random.one_in(4)).for_each(|flag| flags |= flag);
    let sense = if path.is_null() { Sense::Bad } else { Sense::Open };
    let mut plan = Plan::new("aura_openat", sense, i64::from(c_int::MAX));
    plan.opens = true;
    let dirfd = random.of(&[libc::AT_FDCWD, libc::AT_FDCWD, -1, 1_000_000]);
    submit(random, picked, &plan, |engine, call, data| {
        // SAFETY: NULL, or a string that lasts.
        unsafe { aura_openat(engine, dirfd, path, flags, 0o600, call, data) }
    });
}

fn close(random: &mut Random, picked: Picked) {
    let fd = world::with(|world| world.pick_fd(random));
    let mut plan = Plan::new("aura_close", Sense::Open, 0);
    plan.closes = Some(fd);
    submit(random, picked, &plan, |engine, call, data| {
        // SAFETY: the descriptor is ours, or none.
        unsafe { aura_close(engine, fd, call, data) }
    });
}

fn stat(random: &mut Random, picked: Picked) {
    let path = path(random);
    let into = if random.one_in(8) { ptr::null_mut() } else { status() };
    let bad = path.is_null() || into.is_null();
    let plan = Plan::new("aura_statx", if bad { Sense::Bad } else { Sense::Open }, 0);
    let (flags, mask) = (random.of(&[0, 0x100, 0x1000, -1]), random.of(&[0xfff, 0, u32::MAX]));
    submit(random, picked, &plan, |engine, call, data| {
        // SAFETY: NULL, or memory and a string that last.
        unsafe { aura_statx(engine, libc::AT_FDCWD, path, flags, mask, into, call, data) }
    });
}

fn allocate(random: &mut Random, picked: Picked) {
    let fd = world::with(|world| world.pick_fd(random));
    let mode = random.of(&[0, 1, 3, 2, 8, 0x10, 0x20, -1]);
    let (offset, len) = (random.of(&[0, 4096, -1]), random.of(&[4096, 1 << 16, 0, -1]));
    let sense = if offset < 0 || len <= 0 { Sense::Bad } else { Sense::Open };
    let plan = Plan::new("aura_fallocate", sense, 0);
    submit(random, picked, &plan, |engine, call, data| {
        // SAFETY: it names no memory.
        unsafe { aura_fallocate(engine, fd, mode, offset, len, call, data) }
    });
}

fn truncate(random: &mut Random, picked: Picked) {
    let fd = world::with(|world| world.pick_fd(random));
    let length = random.of(&[0, 4096, 1 << 20, -1, off_t::MIN]);
    let plan = Plan::new("aura_ftruncate", if length < 0 { Sense::Bad } else { Sense::Open }, 0);
    submit(random, picked, &plan, |engine, call, data| {
        // SAFETY: it names no memory.
        unsafe { aura_ftruncate(engine, fd, length, call, data) }
    });
}

fn range(random: &mut Random, picked: Picked) {
    let fd = world::with(|world| world.pick_fd(random));
    let (offset, bytes) = (random.of(&[0, 4096, -1]), random.of(&[0, 4096, -1, 1 << 32]));
    let flags = random.of(&[0, 2, 7, 8, u32::MAX]);
    let bad = offset < 0 || !(0..1 << 32).contains(&bytes) || flags > 7;
    let plan = Plan::new("aura_sync_file_range", if bad { Sense::Bad } else { Sense::Open }, 0);
    submit(random, picked, &plan, |engine, call, data| {
        // SAFETY: it names no memory.
        unsafe { aura_sync_file_range(engine, fd, offset, bytes, flags, call, data) }
    });
}
