//! The loop written by hand on the `io-uring` crate, as good as we can make it.
//!
//! Each round takes up to a batch of completions, checks them, pushes as many new operations, and
//! enters the kernel once, through a registered ring descriptor (saves 2 ns per NOP at a batch of 32).
//!
//! Tried on Linux 6.18, page-cache reads at depth 128, and left out because the differences stay within
//! the noise of 1 %: `COOP_TASKRUN`, `SINGLE_ISSUER`, both with `DEFER_TASKRUN` (which cost a tenth of the
//! throughput on a disk with `O_DIRECT`), `NO_SQARRAY` (saves 2 ns per NOP, nothing on reads). A batch
//! of 8 costs 20 ns per operation more than 32; 64 and 128 gain 2 ns per NOP and nothing on reads.
//!
//! This file is `unsafe` because the kernel writes to the memory that the
//! operations name.

use std::io;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use io_uring::{IoUring, opcode, squeue, types};

use crate::content::{RandomBlocks, Verifier};
use crate::latency::Sampler;
use crate::row::{Block, Row, Settings, Stopwatch, Turn};
use crate::subject::Subject;
use crate::{BLOCK_BYTES, EXIT_FAILURE, Error};

/// What an operation is.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Nothing: what the rings themselves cost.
    Nop,
    /// A read with an ordinary descriptor and buffer.
    Plain(types::Fd),
    /// A read with the ring's registered file 0 and buffer 0.
    Fixed,
}

/// The loop.
pub struct RawLoop {
    kind: Kind,
    settings: Settings,
    /// One per operation in flight; `user_data` is the index. Declared after the ring, so that the
    /// ring is closed first; `turn` leaves nothing in flight.
    ring: IoUring,
    buffers: Vec<Block>,
    /// Where each buffer's read is from.
    offsets: Vec<u64>,
    random: RandomBlocks,
    verifier: Verifier,
    sampler: Option<Sampler>,
    /// When each buffer's read began, if it is one that is timed.
    begun: Vec<Option<Instant>>,
}

impl RawLoop {
    /// Operations that do nothing.
    ///
    /// # Errors
    ///
    /// The kernel gives no ring.
    pub fn nop(settings: Settings) -> Result<Self, Error> {
        let random = RandomBlocks::new(BLOCK_BYTES as u64, 0);
        Self::new(Kind::Nop, settings, random, Verifier::new(false))
    }

    /// Reads with an ordinary descriptor into ordinary memory.
    ///
    /// # Errors
    ///
    /// The kernel gives no ring.
    pub fn plain(subject: &Subject, settings: Settings) -> Result<Self, Error> {
        let kind = Kind::Plain(types::Fd(subject.file.as_raw_fd()));
        let random = RandomBlocks::new(subject.bytes, 1);
        Self::new(kind, settings, random, subject.verifier())
    }

    /// Reads with a registered file into registered memory.
    ///
    /// # Errors
    ///
    /// The kernel gives no ring, or takes no registrations.
    pub fn fixed(subject: &Subject, settings: Settings) -> Result<Self, Error> {
        let random = RandomBlocks::new(subject.bytes, 1);
        let row = Self::new(Kind::Fixed, settings, random, subject.verifier())?;
        let memory = libc::iovec {
            iov_base: row.buffers.as_ptr().cast_mut().cast(),
            iov_len: size_of_val(row.buffers.as_slice()),
        };
        let submitter = row.ring.submitter();
        submitter.register_files(&[subject.file.as_raw_fd()])?;
        // SAFETY: the buffers live as long as the ring: both are fields of the row, and the vector is
        // never resized.
        unsafe { submitter.register_buffers(&[memory]) }
            .map_err(|error| format!("registering buffers: {error} (see ulimit -l)"))?;
        Ok(row)
    }

    fn new(
        kind: Kind,
        settings: Settings,
        random: RandomBlocks,
        verifier: Verifier,
    ) -> Result<Self, Error> {
        let ring = IoUring::new(settings.depth)
            .map_err(|error| format!("creating a ring for a raw loop: {error}"))?;
        let depth = settings.depth as usize;
        Ok(Self {
            kind,
            settings,
            ring,
            buffers: vec![Block([0; BLOCK_BYTES]); depth],
            offsets: vec![0; depth],
            random,
            verifier,
            sampler: None,
            begun: vec![None; depth],
        })
    }

    /// The same, with latencies sampled.
    #[must_use]
    pub fn sampling(self) -> Self {
        Self { sampler: Some(Sampler::new(0)), ..self }
    }
}

impl std::fmt::Debug for RawLoop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawLoop").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// The operation that fills a buffer from an offset.
#[inline]
fn operation(kind: Kind, buffer: &mut Block, offset: u64, index: usize) -> squeue::Entry {
    let memory = buffer.0.as_mut_ptr();
    let length = BLOCK_BYTES as u32;
    let entry = match kind {
        Kind::Nop => opcode::Nop::new().build(),
        Kind::Plain(file) => opcode::Read::new(file, memory, length).offset(offset).build(),
        Kind::Fixed => {
            opcode::ReadFixed::new(types::Fixed(0), memory, length, 0).offset(offset).build()
        }
    };
    entry.user_data(index as u64)
}

impl Row for RawLoop {
    fn turn(&mut self, time: Duration) -> Result<Turn, Error> {
        let Self {
            kind, settings, ring, buffers, offsets, random, verifier, sampler, begun, ..
        } = self;
        let (kind, batch) = (*kind, settings.batch as usize);
        let expected = if matches!(kind, Kind::Nop) { 0 } else { BLOCK_BYTES as i32 };
        let (mut submitter, mut queue, mut completions) = ring.split();
        // Saves the kernel a look-up of the descriptor per entry; before Linux 5.18 there is none.
        let is_registered = submitter.register_ring_fd().is_ok();
        let mut watch = Stopwatch::start(time);
        let (mut operations, mut in_flight) = (0, settings.depth as usize);
        let mut outcome: Result<(), Error> = Ok(());
        for index in 0..in_flight {
            offsets[index] = random.draw();
            begun[index] = sampler.as_mut().and_then(Sampler::begin);
            let entry = operation(kind, &mut buffers[index], offsets[index], index);
            // SAFETY: the buffer is a field of the row and is left alone until its completion, and
            // this function does not return before the last one.
            if unsafe { queue.push(&entry) }.is_err() {
                give_up("the queue has a place for every operation in flight, yet is full");
            }
        }
        let mut is_over = false;
        while in_flight > 0 {
            queue.sync(); // Shows the kernel what was pushed.
            // Everything that was pushed goes to the kernel; returns at once if completions wait.
            match submitter.submit_and_wait(1) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => give_up(&error),
            }
            queue.sync(); // Learns which places the kernel has emptied.
            completions.sync();
            match watch.is_over() {
                Ok(over) => is_over |= over,
                Err(interrupted) => outcome = Err(interrupted.into()),
            }
            let goes_on = !is_over && outcome.is_ok();
            for completion in completions.by_ref().take(batch) {
                operations += 1;
                let index = completion.user_data() as usize;
                if completion.result() != expected {
                    outcome = Err(unexpected(completion.result(), offsets[index]));
                } else if !matches!(kind, Kind::Nop)
                    && let Err(error) = verifier.check(offsets[index], &buffers[index].0)
                {
                    outcome = Err(error);
                }
                if let (Some(sampler), Some(begun)) = (sampler.as_mut(), begun[index].take()) {
                    sampler.end(begun);
                }
                if !goes_on {
                    in_flight -= 1;
                    continue;
                }
                offsets[index] = random.draw();
                begun[index] = sampler.as_mut().and_then(Sampler::begin);
                let entry = operation(kind, &mut buffers[index], offsets[index], index);
                // SAFETY: as above. The queue has `depth` places and no more are in flight.
                if unsafe { queue.push(&entry) }.is_err() {
                    give_up("the queue has a place for every operation in flight, yet is full");
                }
            }
        }
        if is_registered {
            submitter.unregister_ring_fd()?;
        }
        outcome?;
        let mut turn = watch.turn(operations, None);
        turn.latency = Sampler::take(sampler);
        Ok(turn)
    }

    fn finish(&mut self, subject: &Subject) -> Result<(), Error> {
        match self.kind {
            Kind::Nop => Ok(()),
            Kind::Plain(_) | Kind::Fixed => subject.finish(&mut self.verifier),
        }
    }
}

/// Ends the program. With operations in flight there is no way back: the kernel may write to this row's
/// memory, so it must not be freed, as an unwinding panic would do.
#[cold]
fn give_up(why: impl std::fmt::Display) -> ! {
    eprintln!("error: the raw loop cannot go on with operations in flight: {why}");
    std::process::exit(EXIT_FAILURE.into());
}

#[cold]
fn unexpected(result: i32, offset: u64) -> Error {
    match result {
        ..0 => format!("the read at {offset}: {}", io::Error::from_raw_os_error(-result)).into(),
        _ => format!("the read at {offset} brought {result} bytes of {BLOCK_BYTES}").into(),
    }
}
