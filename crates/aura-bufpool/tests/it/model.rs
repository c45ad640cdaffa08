//! Random operations, on several threads, against a model that knows every buffer in use and what was
//! written into it.

use std::{collections::BTreeMap, mem, ptr::NonNull, slice, thread};

use aura_bufpool::{Pool, PoolBuffer, PoolOptions};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestError, TestRunner};

#[derive(Clone, Debug)]
enum Step {
    Take { size: usize, owned: bool },
    Give { pick: prop::sample::Index, elsewhere: bool },
    GiveTwice { pick: prop::sample::Index },
    Interior { pick: prop::sample::Index, offset: usize },
    Trim,
    Reap,
}

fn step() -> impl Strategy<Value = Step> {
    let size = prop_oneof![
        6 => 1_usize..20_000,
        3 => 20_000_usize..(1 << 20),
        1 => (1_usize << 20)..(6 << 20),
    ];
    let pick = any::<prop::sample::Index>;
    prop_oneof![
        10 => (size, any::<bool>()).prop_map(|(size, owned)| Step::Take { size, owned }),
        8 => (pick(), any::<bool>()).prop_map(|(pick, elsewhere)| Step::Give { pick, elsewhere }),
        2 => pick().prop_map(|pick| Step::GiveTwice { pick }),
        2 => (pick(), 1_usize..8192).prop_map(|(pick, offset)| Step::Interior { pick, offset }),
        1 => Just(Step::Trim),
        1 => Just(Step::Reap),
    ]
}

/// What is done wrong on purpose, to prove that the model would notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mistake {
    /// A buffer is not given back.
    ForgetRaw,
    ForgetOwned,
    /// A buffer is given back while it is in use.
    GiveEarly,
    /// A buffer is written to after it was given back.
    Scribble,
    /// A buffer of another size is taken.
    TakeMore,
    /// Idle memory is not given back.
    ForgetTrim,
}

const MISTAKES: [Mistake; 6] = [
    Mistake::ForgetRaw,
    Mistake::ForgetOwned,
    Mistake::GiveEarly,
    Mistake::Scribble,
    Mistake::TakeMore,
    Mistake::ForgetTrim,
];

enum Held {
    Raw(NonNull<u8>),
    Owned(PoolBuffer),
}

// SAFETY: whoever has it has the buffer to itself.
unsafe impl Send for Held {}

struct Model {
    pool: Pool,
    alignment: usize,
    /// By first address: the buffer, size asked for, capacity, and the mark it is filled with.
    held: BTreeMap<usize, (Held, usize, usize, u8)>,
    marks: u8,
    mistake: Option<Mistake>,
    /// The buffer that was given back last.
    given: Option<NonNull<u8>>,
}

impl Model {
    fn new(pool: Pool, alignment: usize, mistake: Option<Mistake>) -> Self {
        Self { pool, alignment, held: BTreeMap::new(), marks: 0, mistake, given: None }
    }

    fn take(&mut self, size: usize, owned: bool) {
        let more = usize::from(self.mistake == Some(Mistake::TakeMore));
        let held = if owned {
            Held::Owned(self.pool.buffer(size + more).expect("a buffer"))
        } else {
            Held::Raw(self.pool.alloc(size + more).expect("a buffer"))
        };
        let start = match &held {
            Held::Raw(raw) => *raw,
            Held::Owned(buffer) => NonNull::from(&buffer[0]),
        };
        let capacity = self.pool.capacity_of(start).expect("in use");
        let address = start.as_ptr() as usize;
        assert!(capacity >= size && address.is_multiple_of(self.alignment.max(4096)));
        let below = self.held.range(..address + capacity).next_back();
        assert!(below.is_none_or(|(at, (_, _, len, _))| at + len <= address), "buffers overlap");
        self.marks = self.marks.wrapping_add(1);
        // SAFETY: `size` bytes of a buffer just handed out, used by nobody else.
        unsafe { slice::from_raw_parts_mut(start.as_ptr(), size) }.fill(self.marks);
        if self.mistake == Some(Mistake::GiveEarly) && !owned {
            self.pool.free(start).expect("in use");
        }
        if let Some(given) = self.given.filter(|_| self.mistake == Some(Mistake::Scribble)) {
            // SAFETY: none, if the pool had given the memory back to the system; it keeps all here.
            unsafe { *given.as_ptr() = 0 };
        }
        self.held.insert(address, (held, size, capacity, self.marks));
    }

    fn give(&mut self, pick: prop::sample::Index) -> Option<NonNull<u8>> {
        self.give_at(self.pick(pick)?)
    }

    fn give_at(&mut self, address: usize) -> Option<NonNull<u8>> {
        let (held, size, _, mark) = self.held.remove(&address)?;
        match held {
            Held::Raw(raw) => {
                // SAFETY: in use by this test, `size` bytes long.
                let bytes = unsafe { slice::from_raw_parts(raw.as_ptr(), size) };
                assert!(bytes.iter().all(|&byte| byte == mark), "content changed");
                if self.mistake != Some(Mistake::ForgetRaw) {
                    self.pool.free(raw).expect("in use");
                }
                self.given = Some(raw);
                Some(raw)
            }
            Held::Owned(buffer) => {
                assert!(buffer.iter().all(|&byte| byte == mark), "content changed");
                assert_eq!(buffer.len(), size);
                if self.mistake == Some(Mistake::ForgetOwned) {
                    mem::forget(buffer);
                }
                None
            }
        }
    }

    /// Another thread gives it back, and ends.
    fn give_elsewhere(&mut self, pick: prop::sample::Index) {
        let Some((held, size, ..)) = self.pick(pick).and_then(|address| self.held.remove(&address))
        else {
            return;
        };
        let pool = self.pool.clone();
        let giving = thread::spawn(move || match held {
            Held::Raw(raw) => pool.free(raw).expect("in use"),
            Held::Owned(buffer) => assert_eq!(buffer.len(), size),
        });
        giving.join().expect("it gives the buffer back");
    }

    fn pick(&self, pick: prop::sample::Index) -> Option<usize> {
        let at = pick.index(self.held.len().max(1));
        self.held.keys().nth(at).copied()
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Take { size, owned } => self.take(size, owned),
            Step::Give { pick, elsewhere: false } => _ = self.give(pick),
            Step::Give { pick, elsewhere: true } => self.give_elsewhere(pick),
            Step::GiveTwice { pick } => {
                if let Some(raw) = self.give(pick) {
                    self.pool.free(raw).expect_err("free already");
                }
            }
            Step::Interior { pick, offset } => {
                if let Some(address) = self.pick(pick) {
                    let inside = offset % self.held[&address].2;
                    let pointer = NonNull::new((address + inside) as *mut u8).expect("not null");
                    if inside != 0 {
                        self.pool.free(pointer).expect_err("inside a buffer");
                    } else if matches!(self.held[&address].0, Held::Owned(_)) {
                        self.pool.free(pointer).expect_err("owned");
                    }
                }
            }
            Step::Trim => {
                if self.mistake != Some(Mistake::ForgetTrim) {
                    self.pool.trim();
                }
                assert_eq!(self.pool.stats().idle_bytes, 0);
            }
            Step::Reap => _ = self.pool.reap(),
        }
        let stats = self.pool.stats();
        assert_eq!(stats.allocated_buffers, self.held.len());
        let sum = |of: fn(&(Held, usize, usize, u8)) -> usize| self.held.values().map(of).sum();
        assert_eq!(stats.requested_bytes, sum(|&(_, size, _, _)| size));
        assert_eq!(stats.allocated_bytes, sum(|&(_, _, capacity, _)| capacity));
        let known = stats.allocated_bytes + stats.cached_bytes + stats.idle_bytes;
        assert!(known <= stats.committed_bytes, "{stats:?}");
    }
}

fn play(cases: u32, mistake: Option<Mistake>) -> Result<(), TestError<impl std::fmt::Debug>> {
    let alignment = prop_oneof![Just(512_usize), Just(4096), Just(64 << 10), Just(2 << 20)];
    let keep = prop_oneof![Just(0_usize), Just(2 << 20), Just(usize::MAX)];
    let steps = prop::collection::vec(step(), 1..150);
    // A mistake is not made smaller: each attempt would tell of a panic.
    let max_shrink_iters = if mistake.is_some() { 0 } else { 1000 };
    // `PROPTEST_CASES` asks for more or fewer.
    let asked_for = |_| Config::default().cases;
    let cases = std::env::var("PROPTEST_CASES").map_or(cases, asked_for);
    let config = Config { cases, failure_persistence: None, max_shrink_iters, ..Config::default() };
    TestRunner::new(config).run(&(alignment, keep, steps), |(alignment, keep, steps)| {
        // Memory that is written to by mistake must still be there.
        let keep = if mistake == Some(Mistake::Scribble) { usize::MAX } else { keep };
        let options = PoolOptions::new().alignment(alignment).keep_free_bytes(keep);
        let pool = Pool::new(options).expect("a pool");
        let mut model = Model::new(pool, alignment, mistake);
        let is_safe = |step: &Step| {
            mistake != Some(Mistake::Scribble) || !matches!(step, Step::Trim | Step::Reap)
        };
        steps.into_iter().filter(is_safe).for_each(|step| model.step(step));
        while let Some(&address) = model.held.keys().next() {
            model.give_at(address);
        }
        if mistake == Some(Mistake::Scribble) {
            return Ok(());
        }
        model.step(Step::Trim);
        let stats = model.pool.stats();
        let in_use = (stats.allocated_buffers, stats.allocated_bytes, stats.requested_bytes);
        prop_assert_eq!(in_use, (0, 0, 0));
        prop_assert_eq!((stats.committed_bytes, stats.slabs, stats.cached_bytes), (0, 0, 0));
        Ok(())
    })
}

#[test]
fn the_pool_agrees_with_the_model() {
    if let Err(error) = play(64, None) {
        panic!("{error}");
    }
}

#[test]
fn every_mistake_is_noticed() {
    for mistake in MISTAKES {
        let played = play(64, Some(mistake));
        assert!(matches!(played, Err(TestError::Fail(..))), "{mistake:?} went unnoticed");
    }
}
