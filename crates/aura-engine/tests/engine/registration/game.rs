//! The engine's promise as a model: which file or buffer an index names at the moment of a submission,
//! and which calls are refused with what. Every file is full of a byte of its own.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;

use aura_engine::{Config, Engine, FilePlace, Memory, Op, RingSelect, Target};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestCaseResult;

use super::{Fixed, Step};
use crate::odd::{Heard, Mistake, Odd, eventually, odd_engine};

pub(super) const FILES: usize = 4;
pub(super) const BUFFERS: usize = 3;
pub(super) const BUFFER_BYTES: usize = 4096;

/// What indices of files name.
#[derive(Debug)]
enum Files {
    Table(Vec<Option<usize>>),
    OneByOne(Vec<(FilePlace, usize)>),
}

#[derive(Clone, Debug, PartialEq)]
enum Buffers {
    None,
    Registered(Vec<usize>),
    Draining,
}

/// A read that has not been heard of.
struct Reading {
    heard: Heard,
    memory: Box<[u8]>,
    file: Option<usize>,
}

pub(super) struct Game {
    engine: Arc<Engine<Odd>>,
    files: Vec<File>,
    /// Room for all buffers; it lasts for ever.
    memory: *mut u8,
    pipe: (io::PipeReader, io::PipeWriter),
    reading: Vec<Reading>,
    hanging: Option<Heard>,
    files_now: Files,
    buffers_now: Buffers,
}

impl Game {
    pub(super) fn new(mistake: Option<Mistake>) -> Self {
        let (engine, orders) = odd_engine(&Config {
            queue_depth: 64,
            ring_count: Some(2),
            disable_adaptive: true,
            ring_select: RingSelect::RoundRobin,
            ..Config::default()
        });
        // On one ring only: that the other one has it right does not help.
        *orders[1].mistake.lock().unwrap() = mistake;
        let memory: &'static mut [u8] = Box::leak(vec![0; BUFFERS * BUFFER_BYTES].into());
        Self {
            engine,
            files: (0..FILES).map(full_of_its_byte).collect(),
            memory: memory.as_mut_ptr(),
            pipe: io::pipe().expect("descriptors"),
            reading: Vec::new(),
            hanging: None,
            files_now: Files::OneByOne(Vec::new()),
            buffers_now: Buffers::None,
        }
    }

    pub(super) fn step(&mut self, step: Step) -> TestCaseResult {
        match step {
            Step::RegisterFiles(files) => self.register_files(files),
            Step::UpdateFile { index, file } => self.update_file(index, file),
            Step::UnregisterFiles => {
                let is_table = matches!(self.files_now, Files::Table(_));
                let expected = if is_table { 0 } else { libc::ENOENT };
                prop_assert_eq!(errno(self.engine.unregister_files()), expected);
                if is_table {
                    self.files_now = Files::OneByOne(Vec::new());
                }
                Ok(())
            }
            Step::RegisterFile { file } => self.register_file(file),
            Step::FreeFile { pick } => self.free_file(pick),
            Step::Read { index } => self.read(index),
            Step::Settle => self.settle(),
            Step::RegisterBuffers { lens } => self.register_buffers(lens),
            Step::ReadFixed(fixed) => self.read_fixed(fixed),
            Step::Hang { index } => self.hang(index),
            Step::Release => self.release(),
            Step::UnregisterBuffers => {
                let expected = if self.buffers_now == Buffers::None { libc::ENOENT } else { 0 };
                prop_assert_eq!(errno(self.engine.request_unregister_buffers()), expected);
                if expected == 0 {
                    let is_used = self.hanging.is_some();
                    self.buffers_now = if is_used { Buffers::Draining } else { Buffers::None };
                }
                Ok(())
            }
        }
    }

    /// Everything is heard of, and the tables can be changed again.
    pub(super) fn finish(mut self) -> TestCaseResult {
        self.release()?;
        self.settle()?;
        prop_assert_eq!(self.engine.in_flight(), 0);
        Ok(())
    }

    fn fd(&self, file: Option<usize>) -> i32 {
        file.map_or(-1, |file| self.files[file].as_raw_fd())
    }

    fn register_files(&mut self, files: Vec<Option<usize>>) -> TestCaseResult {
        let is_free = matches!(&self.files_now, Files::OneByOne(places) if places.is_empty());
        let fds: Vec<_> = files.iter().map(|file| self.fd(*file)).collect();
        let expected = if is_free { 0 } else { libc::EBUSY };
        prop_assert_eq!(errno(self.engine.register_files(&fds)), expected);
        if is_free {
            self.files_now = Files::Table(files);
        }
        Ok(())
    }

    fn update_file(&mut self, index: u32, file: Option<usize>) -> TestCaseResult {
        let fd = self.fd(file);
        let place = match &mut self.files_now {
            Files::Table(table) => table.get_mut(index as usize).ok_or(libc::EINVAL),
            Files::OneByOne(_) => Err(libc::ENOENT),
        };
        let expected = place.map(|place| *place = file).err().unwrap_or(0);
        prop_assert_eq!(errno(self.engine.update_file(index as i32, fd)), expected);
        Ok(())
    }

    fn register_file(&mut self, file: usize) -> TestCaseResult {
        let registered = self.engine.register_file(self.files[file].as_fd());
        match (&mut self.files_now, registered) {
            (Files::OneByOne(places), Ok(place)) => places.push((place, file)),
            (Files::OneByOne(_), Err(error)) => prop_assert!(false, "registering: {}", error),
            (Files::Table(_), registered) => prop_assert_eq!(errno(registered), libc::EBUSY),
        }
        Ok(())
    }

    fn free_file(&mut self, pick: Index) -> TestCaseResult {
        if let Files::OneByOne(places) = &mut self.files_now
            && !places.is_empty()
        {
            let (place, _) = places.remove(pick.index(places.len()));
            self.engine.free_file_place(place);
        }
        Ok(())
    }

    /// Reads what an index names now, whatever it names when the kernel gets to it.
    fn read(&mut self, index: u32) -> TestCaseResult {
        let file = match &self.files_now {
            Files::Table(table) => table.get(index as usize).copied().flatten(),
            Files::OneByOne(places) => {
                let names = |place: &FilePlace| matches!(place.target(), Target::Registered(at) if at == index);
                places.iter().find(|(place, _)| names(place)).map(|(_, file)| *file)
            }
        };
        let mut memory = vec![0; 64].into_boxed_slice();
        let heard = Heard::default();
        let address = Memory::Address(memory.as_mut_ptr());
        let read = Op::read(Target::Registered(index), address, 64, 0).expect("an operation");
        // SAFETY: the memory is kept until the read is heard of; if it never is, it is forgotten.
        let submitted = unsafe { self.engine.submit(&read, 0, heard.hear()) };
        prop_assert!(submitted.is_ok());
        self.reading.push(Reading { heard, memory, file });
        Ok(())
    }

    fn settle(&mut self) -> TestCaseResult {
        let engine = Arc::clone(&self.engine);
        for Reading { heard, memory, file } in self.reading.drain(..) {
            hear(&engine, &heard);
            let expected = file.map_or((-libc::EBADF, 0), |file| (64, byte_of(file)));
            prop_assert_eq!((heard.all()[0], memory[0]), expected, "another file");
        }
        Ok(())
    }

    fn register_buffers(&mut self, lens: Vec<usize>) -> TestCaseResult {
        let place = |(at, len): (usize, &usize)| libc::iovec {
            iov_base: self.memory.wrapping_add(at * BUFFER_BYTES).cast(),
            iov_len: *len,
        };
        let buffers: Vec<_> = lens.iter().enumerate().map(place).collect();
        let expected = if self.buffers_now == Buffers::None { 0 } else { libc::EBUSY };
        // SAFETY: the memory lasts for ever.
        let registered = unsafe { self.engine.register_buffers(&buffers) };
        prop_assert_eq!(errno(registered), expected);
        if expected == 0 {
            self.buffers_now = Buffers::Registered(lens);
        }
        Ok(())
    }

    fn read_fixed(&mut self, fixed: Fixed) -> TestCaseResult {
        let Fixed { index, offset, len, file } = fixed;
        let expected = match &self.buffers_now {
            Buffers::None => libc::ENOENT,
            Buffers::Draining => libc::EBUSY,
            Buffers::Registered(lens) => match lens.get(index as usize) {
                Some(buffer_len) if offset + len <= *buffer_len => 0,
                _ => libc::EINVAL,
            },
        };
        let file_target = Target::Fd(self.files[file].as_raw_fd());
        let memory = Memory::Registered { index, offset };
        let read = Op::read(file_target, memory, len, 0).expect("an operation");
        let heard = Heard::default();
        // SAFETY: the memory lasts for ever.
        let submitted = unsafe { self.engine.submit(&read, 0, heard.hear()) };
        prop_assert_eq!(errno(submitted.map_err(|rejected| rejected.error)), expected);
        if expected == 0 {
            hear(&self.engine, &heard);
            prop_assert_eq!(heard.all(), [len as i32], "another buffer");
            let start = self.memory.wrapping_add(index as usize * BUFFER_BYTES + offset);
            // SAFETY: no read into this memory is in flight but for one of its first byte, perhaps.
            let last = unsafe { *start.wrapping_add(len - 1) };
            prop_assert_eq!(last, byte_of(file));
        }
        Ok(())
    }

    fn hang(&mut self, index: u32) -> TestCaseResult {
        let fits =
            matches!(&self.buffers_now, Buffers::Registered(lens) if lens.len() > index as usize);
        if self.hanging.is_some() || !fits {
            return Ok(());
        }
        let pipe = Target::Fd(self.pipe.0.as_raw_fd());
        let memory = Memory::Registered { index, offset: 0 };
        let read = Op::read(pipe, memory, 1, 0).expect("an operation");
        let heard = Heard::default();
        // SAFETY: the memory lasts for ever.
        let submitted = unsafe { self.engine.submit(&read, 0, heard.hear()) };
        prop_assert!(submitted.is_ok());
        self.hanging = Some(heard);
        Ok(())
    }

    fn release(&mut self) -> TestCaseResult {
        let Some(heard) = self.hanging.take() else { return Ok(()) };
        self.pipe.1.write_all(&[1]).expect("the pipe has room");
        hear(&self.engine, &heard);
        prop_assert_eq!(heard.all(), [1]);
        if self.buffers_now == Buffers::Draining {
            // The poller ends the draining after the callbacks.
            self.engine.poll().expect("alive");
            self.buffers_now = Buffers::None;
        }
        Ok(())
    }
}

fn byte_of(file: usize) -> u8 {
    file as u8 + 1
}

fn full_of_its_byte(file: usize) -> File {
    let mut made = tempfile::tempfile().expect("room for a small file");
    made.write_all(&[byte_of(file); BUFFER_BYTES]).expect("room for a small file");
    made
}

/// Processes completions until one is heard of.
fn hear(engine: &Engine<Odd>, heard: &Heard) {
    eventually("a completion", || {
        engine.poll().expect("alive");
        !heard.all().is_empty()
    });
}

/// 0 for success.
fn errno<T>(result: aura_engine::Result<T>) -> i32 {
    result.err().map_or(0, |error| error.errno())
}
