//! The oracle: what was promised for each operation, and whether it was kept.
//!
//! This file is `unsafe` because it fills and compares memory that an operation was given, by address:
//! whose it is at the moment is what is being tested. The memory lives as long as the ledger.

use std::fmt::Write;
use std::sync::Mutex;

pub(super) const LEN: usize = 48;
/// What the owner fills memory with that came back.
const MINE: u8 = 0xee;
/// What the kernel fills memory with while it works at it.
const IN_THE_WORKS: u8 = 0xaa;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Read,
    Write,
    Sync,
    Close,
}

#[derive(Debug)]
struct Entry {
    kind: Kind,
    file: usize,
    /// The operation before it in its chain.
    after: Option<usize>,
    chained: bool,
    memory: Box<[u8; LEN]>,
    /// Submitted with a callback, and not refused.
    accepted: bool,
    /// How much had been queued when this was, at its first time.
    turn: u64,
    /// How much had been queued when its submission began.
    begun: u64,
    /// Times it was queued.
    pushes: u32,
    /// Queued, and its completion not reaped.
    in_kernel: bool,
    /// The last result that was reaped, and whether it is the operation's own.
    reaped: Option<(i32, bool)>,
    cancel_asked: bool,
    /// Its future was dropped before it had been queued, so that it never will be.
    dropped: bool,
    heard: u32,
    returned: u32,
}

#[derive(Debug, Default)]
struct Book {
    entries: Vec<Entry>,
    in_kernel: u32,
    in_kernel_max: u32,
    /// Operations queued so far.
    turns: u64,
    /// When the submission of the last operation that closed each file began.
    closes: Vec<Option<u64>>,
    closing: bool,
    violation: Option<String>,
    story: String,
}

/// One for each game.
#[derive(Debug)]
pub(super) struct Ledger {
    book: Mutex<Book>,
    tracing: bool,
}

impl Ledger {
    pub(super) fn new(tracing: bool) -> Self {
        Self { book: Mutex::default(), tracing }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Book) -> T) -> T {
        act(&mut self.book.lock().unwrap())
    }

    pub(super) fn tell(&self, what: impl FnOnce() -> String) {
        if self.tracing {
            self.with(|book| writeln!(book.story, "{}", what()).unwrap());
        }
    }

    /// A promise was broken; the first one counts.
    pub(super) fn violation(&self, what: String) {
        self.tell(|| format!("VIOLATION: {what}"));
        self.with(|book| book.violation.get_or_insert(what).len());
    }

    fn check(&self, kept: bool, what: impl FnOnce() -> String) {
        if !kept {
            self.violation(what());
        }
    }

    pub(super) fn verdict(&self) -> Option<String> {
        self.with(|book| book.violation.clone())
    }

    pub(super) fn story(&self) -> String {
        self.with(|book| book.story.clone())
    }

    /// A new operation, with memory of its own. Returns its number and the memory's address.
    pub(super) fn offer(&self, kind: Kind, file: usize, after: Option<usize>) -> (usize, *mut u8) {
        self.with(|book| {
            let serial = book.entries.len();
            let mut memory = Box::new([MINE; LEN]);
            if kind == Kind::Write {
                *memory = data_of(serial);
            }
            book.entries.push(Entry {
                kind,
                file,
                after,
                chained: after.is_some(),
                memory,
                accepted: false,
                turn: 0,
                begun: book.turns,
                pushes: 0,
                in_kernel: false,
                reaped: None,
                cancel_asked: false,
                dropped: false,
                heard: 0,
                returned: 0,
            });
            if let Some(after) = after {
                book.entries[after].chained = true;
            }
            (serial, book.entries[serial].memory.as_mut_ptr())
        })
    }

    pub(super) fn accepted(&self, serial: usize) {
        self.with(|book| book.entries[serial].accepted = true);
    }

    pub(super) fn refused(&self, serial: usize) {
        let pushes = self.with(|book| {
            book.entries[serial].accepted = false;
            book.entries[serial].pushes
        });
        self.check(pushes == 0, || format!("{serial} was refused, but the kernel has it"));
    }

    /// A future was told that its operation will not be done: it never reached the kernel, or the
    /// engine is at its end.
    pub(super) fn refused_or_given_up(&self, serial: usize) {
        if self.with(|book| book.entries[serial].pushes > 0) {
            self.heard(serial, -libc::ESHUTDOWN);
        }
    }

    /// Whether it was asked for before is returned, to be given back if the request is refused.
    pub(super) fn ask_cancel(&self, serial: usize, asked: bool) -> bool {
        self.with(|book| std::mem::replace(&mut book.entries[serial].cancel_asked, asked))
    }

    pub(super) fn dropped(&self, serial: usize) {
        self.with(|book| {
            let entry = &mut book.entries[serial];
            entry.dropped = entry.pushes == 0;
        });
    }

    pub(super) fn is_over(&self, serial: usize) -> bool {
        self.with(|book| book.entries[serial].heard > 0)
    }

    pub(super) fn closing(&self) {
        self.with(|book| book.closing = true);
    }

    pub(super) fn queued(&self, serial: usize) {
        let (twice, dropped) = self.with(|book| {
            book.turns += 1;
            let entry = &mut book.entries[serial];
            entry.pushes += 1;
            if entry.pushes == 1 {
                entry.turn = book.turns;
            }
            let twice = std::mem::replace(&mut entry.in_kernel, true);
            book.in_kernel += 1;
            book.in_kernel_max = book.in_kernel_max.max(book.in_kernel);
            (twice, book.entries[serial].dropped)
        });
        self.check(!dropped, || format!("{serial} was queued, though dropped before its turn"));
        self.check(!twice, || format!("{serial} was queued while the kernel has it"));
    }

    pub(super) fn in_kernel_max(&self) -> u32 {
        self.with(|book| book.in_kernel_max)
    }

    /// The kernel begins: what it is given must be what was submitted. `follows` is the operation
    /// that it is linked to. Returns whether it is the first time.
    pub(super) fn begins(&self, serial: usize, follows: Option<usize>) -> bool {
        let (after, pushes, kind, in_order) = self.with(|book| {
            let entry = &book.entries[serial];
            let closed = book.closes.get(entry.file).copied().flatten();
            // The file of what may be parked is kept open by its owner.
            let in_order = !entry.accepted || closed.is_none_or(|begun| entry.turn > begun);
            (entry.after, entry.pushes, entry.kind, in_order)
        });
        if pushes == 1 {
            self.check(after == follows, || {
                format!("{serial} should wait for {after:?}, and waits for {follows:?}")
            });
            // What is repeated has found its file open once.
            self.check(in_order, || format!("{serial} was overtaken by the close of its file"));
        }
        match kind {
            Kind::Read => self.fill(serial, &[IN_THE_WORKS; LEN]),
            Kind::Write => self.compare(serial, &data_of(serial), "changed under the kernel"),
            Kind::Sync => {}
            Kind::Close => self.with(|book| {
                let file = book.entries[serial].file;
                if book.closes.len() <= file {
                    book.closes.resize(file + 1, None);
                }
                book.closes[file] = Some(book.entries[serial].begun);
            }),
        }
        pushes == 1
    }

    /// The kernel ends: the last time that it may touch the memory.
    pub(super) fn ends(&self, serial: usize, result: i32) {
        let kind = self.with(|book| book.entries[serial].kind);
        match kind {
            Kind::Read if result > 0 => {
                self.fill(serial, &data_of(serial)[..result as usize]);
            }
            Kind::Write => self.compare(serial, &data_of(serial), "changed under the kernel"),
            _ => {}
        }
    }

    pub(super) fn reaped(&self, serial: usize, result: i32, own: bool) {
        self.with(|book| {
            let entry = &mut book.entries[serial];
            entry.in_kernel = false;
            entry.reaped = Some((result, own));
            book.in_kernel -= 1;
        });
    }

    /// The application hears of an operation's end, or would if it had not lost interest.
    pub(super) fn heard(&self, serial: usize, result: i32) {
        self.tell(|| format!("{serial} is over: {result}"));
        let (times, reaped, asked, chained, closing, pushes, kind, after) = self.with(|book| {
            let closing = book.closing;
            let entry = &mut book.entries[serial];
            entry.heard += 1;
            (
                entry.heard,
                entry.reaped,
                entry.cancel_asked,
                entry.chained,
                closing,
                entry.pushes,
                entry.kind,
                entry.after,
            )
        });
        self.check(times == 1, || format!("{serial} completed {times} times"));
        match reaped {
            Some((posted, own)) => {
                let is_result = posted == result || (closing && result == -libc::ESHUTDOWN);
                self.check(is_result, || {
                    format!("{serial} ended with {result} instead of {posted}")
                });
                // Memory that the kernel cannot reach is tried a few times before that is reported.
                let given_up = result == -libc::EFAULT && pushes > 3;
                let explained = own || asked || chained || given_up;
                self.check(explained, || format!("{serial}: {result} that nobody asked for"));
            }
            None => self.check(pushes == 0 && (asked || closing), || {
                format!("{serial} ended with {result}, without the kernel")
            }),
        }
        if let Some(after) = after {
            self.check(self.is_over(after), || format!("{serial} ended before {after}"));
        }
        if kind == Kind::Read && result > 0 {
            let data = data_of(serial);
            self.compare(serial, &data[..result as usize], "is not what was read");
        }
    }

    /// The memory is the owner's again.
    pub(super) fn returned(&self, serial: usize) {
        let (in_kernel, times) = self.with(|book| {
            let entry = &mut book.entries[serial];
            entry.returned += 1;
            (entry.in_kernel, entry.returned)
        });
        self.check(!in_kernel, || format!("{serial}: memory came back while the kernel had it"));
        self.check(times == 1, || format!("{serial}: memory came back {times} times"));
        self.fill(serial, &[MINE; LEN]);
    }

    /// Everything is over.
    pub(super) fn close(&self) {
        let open = self.with(|book| {
            let unfinished = |entry: &&Entry| {
                let taken = entry.accepted || entry.pushes > 0;
                entry.in_kernel || entry.returned != 1 || (taken && entry.heard != 1)
            };
            book.entries.iter().position(|entry| unfinished(&entry))
        });
        if let Some(serial) = open {
            let entry = self.with(|book| format!("{:?}", book.entries[serial]));
            self.violation(format!("{serial} did not end: {entry}"));
        }
        let count = self.with(|book| book.entries.len());
        for serial in 0..count {
            self.compare(serial, &[MINE; LEN], "was written to after it came back");
        }
    }

    pub(super) fn fill(&self, serial: usize, data: &[u8]) {
        let memory = self.with(|book| book.entries[serial].memory.as_mut_ptr());
        // SAFETY: memory of the ledger's, which is never freed before it; one thread plays.
        unsafe { copy_as_kernel(data.as_ptr(), memory, data.len()) };
    }

    fn compare(&self, serial: usize, data: &[u8], what: &str) {
        let alike = self.with(|book| {
            let memory = book.entries[serial].memory.as_ptr();
            let mut seen = [0; LEN];
            // SAFETY: as above; no data are longer.
            unsafe { copy_as_kernel(memory, seen.as_mut_ptr(), data.len()) };
            seen[..data.len()] == *data
        });
        self.check(alike, || format!("{serial}: the memory {what}"));
    }
}

/// Copies, and does not ask AddressSanitizer whose the memory is: the real kernel does not, either.
///
/// # Safety
///
/// As for [`std::ptr::copy_nonoverlapping`].
unsafe fn copy_as_kernel(from: *const u8, to: *mut u8, len: usize) {
    if cfg!(aura_poison) {
        let part = |address: *mut u8| libc::iovec { iov_base: address.cast(), iov_len: len };
        let (from, to) = (part(from.cast_mut()), part(to));
        // SAFETY: by contract; the process is this one.
        let copied = unsafe { libc::process_vm_writev(libc::getpid(), &from, 1, &to, 1, 0) };
        assert_eq!(copied, len as isize, "{}", std::io::Error::last_os_error());
    } else {
        // SAFETY: by contract.
        unsafe { std::ptr::copy_nonoverlapping(from, to, len) };
    }
}

/// The contents that belong to an operation.
fn data_of(serial: usize) -> [u8; LEN] {
    std::array::from_fn(|place| (serial as u8).wrapping_mul(31).wrapping_add(place as u8) & 0x7f)
}
