//! Linked operations through the C interface, on an engine of the worker's own: a write and a read of the
//! same block, which has to bring what was written.
//!
//! This file is `unsafe` because it calls a C interface.

use std::ffi::c_void;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use aura_ffi::header::{AURA_LINK, AURA_OP_READ, AURA_OP_WRITE, aura_op_t, aura_request_t};
use aura_ffi::{aura_buf, aura_create, aura_destroy, aura_drain, aura_op_init, aura_submit_batch};
use aura_stress::random::Random;

use super::Failure;
use crate::account::Account;
use crate::blocks::{BLOCK_BYTES, Block};
use crate::tally::Came;

/// What has not been heard yet. No errno is as low.
const NOTHING: i64 = i64::MIN;
/// Until a chain of two has completed.
const DRAIN_MS: i32 = 60_000;

/// What the callback of an operation leaves: the result, or that there was more than one.
#[derive(Debug)]
struct Heard(AtomicI64);

pub(super) fn work(
    account: &Arc<Account>,
    numbers: Range<usize>,
    random: &mut Random,
) -> Result<(), Failure> {
    let engine = aura_create();
    if engine.is_null() {
        return Err(format!("aura_create: {}", std::io::Error::last_os_error()).into());
    }
    account.shift.tally.engine();
    let shift = &account.shift;
    let mut numbers = numbers.into_iter();
    while let Some(first) = numbers.next() {
        let Some(second) = numbers.next() else {
            shift.enter(first, Came::Refused); // Without a partner it is not submitted at all.
            break;
        };
        let block = loop {
            match shift.site.blocks.claim_write(random) {
                Some(block) => break block,
                None => std::thread::yield_now(),
            }
        };
        let fd = shift.site.file.as_raw_fd();
        let (write, read, memory) = write_and_read(engine, fd, block);
        let is_right = [write, read] == [BLOCK_BYTES as i64; 2];
        shift.site.blocks.release_write(block, is_right);
        let difference = block.difference(&memory);
        shift.tally.verified(BLOCK_BYTES);
        if is_right && difference.is_none() {
            shift.enter(first, Came::Right);
            shift.enter(second, Came::Right);
        } else {
            shift.tally.finding(format!("a chain: {write}, {read}, wrong from {difference:?} on"));
        }
    }
    aura_destroy(engine);
    Ok(())
}

/// Writes the block and reads it again, as a chain; the results of both, and what was read.
fn write_and_read(
    engine: *mut aura_ffi::header::aura_engine_t,
    fd: i32,
    block: Block,
) -> (i64, i64, [u8; BLOCK_BYTES]) {
    let (mut written, mut read) = ([0; BLOCK_BYTES], [0; BLOCK_BYTES]);
    block.fill(&mut written);
    let heard = [const { Heard(AtomicI64::new(NOTHING)) }; 2];
    // SAFETY: zeros are an empty operation, and are initialised right below.
    let mut ops: [aura_op_t; 2] = unsafe { std::mem::zeroed() };
    let memory = [written.as_mut_ptr(), read.as_mut_ptr()];
    for (index, op) in ops.iter_mut().enumerate() {
        // SAFETY: `op` is there; memory and results outlive the operations, which are waited for below.
        unsafe {
            aura_op_init(op, [AURA_OP_WRITE, AURA_OP_READ][index]);
            op.buf = aura_buf(memory[index].cast());
        }
        op.fd = fd;
        op.len = BLOCK_BYTES;
        op.offset = block.offset() as i64;
        op.callback = Some(hear);
        op.user_data = ptr::from_ref(&heard[index]).cast_mut().cast();
    }
    ops[0].flags = AURA_LINK as u32;
    // SAFETY: two operations; nobody wants their names. All is drained, or else the engine's memory and
    // ours stay as they are, since the process ends with a finding.
    let submitted = unsafe { aura_submit_batch(engine, ops.as_ptr(), ops.len(), ptr::null_mut()) };
    let drained = aura_drain(engine, DRAIN_MS);
    if submitted != 2 || drained < 0 {
        eprintln!("error: a chain: {submitted} of 2 submitted, drained {drained}");
        std::process::exit(aura_stress::verdict::EXIT_FAILURE.into());
    }
    let [write, was_read] = heard.map(|heard| heard.0.into_inner());
    (write, was_read, read)
}

/// The callback of both.
unsafe extern "C-unwind" fn hear(_: *mut aura_request_t, result: isize, user_data: *mut c_void) {
    // SAFETY: it is what was given at submission, and outlives the operation.
    let heard = unsafe { &*user_data.cast::<Heard>() };
    if heard.0.swap(result as i64, Ordering::Relaxed) != NOTHING {
        heard.0.store(-1, Ordering::Relaxed); // Twice: no length, so it is found.
    }
}
