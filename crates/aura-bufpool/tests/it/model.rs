//! Random operations against a model that knows every buffer in use and what was written into it.

use std::{collections::BTreeMap, ptr::NonNull, slice};

use aura_bufpool::{Pool, PoolBuffer, PoolOptions};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Take { size: usize, owned: bool },
    Give { pick: prop::sample::Index },
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
        8 => pick().prop_map(|pick| Step::Give { pick }),
        2 => pick().prop_map(|pick| Step::GiveTwice { pick }),
        2 => (pick(), 1_usize..8192).prop_map(|(pick, offset)| Step::Interior { pick, offset }),
        1 => Just(Step::Trim),
        1 => Just(Step::Reap),
    ]
}

enum Held {
    Raw(NonNull<u8>),
    Owned(PoolBuffer),
}

struct Model {
    pool: Pool,
    alignment: usize,
    /// By first address: the buffer, size asked for, capacity, and the mark it is filled with.
    held: BTreeMap<usize, (Held, usize, usize, u8)>,
    marks: u8,
}

impl Model {
    fn take(&mut self, size: usize, owned: bool) {
        let held = if owned {
            Held::Owned(self.pool.buffer(size).expect("a buffer"))
        } else {
            Held::Raw(self.pool.alloc(size).expect("a buffer"))
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
                self.pool.free(raw).expect("in use");
                Some(raw)
            }
            Held::Owned(buffer) => {
                assert!(buffer.iter().all(|&byte| byte == mark), "content changed");
                assert_eq!(buffer.len(), size);
                None
            }
        }
    }

    fn pick(&self, pick: prop::sample::Index) -> Option<usize> {
        let at = pick.index(self.held.len().max(1));
        self.held.keys().nth(at).copied()
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Take { size, owned } => self.take(size, owned),
            Step::Give { pick } => _ = self.give(pick),
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
                self.pool.trim();
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_pool_agrees_with_the_model(
        alignment in prop_oneof![Just(512_usize), Just(4096), Just(64 << 10), Just(2 << 20)],
        keep in prop_oneof![Just(0_usize), Just(2 << 20), Just(usize::MAX)],
        steps in prop::collection::vec(step(), 1..150),
    ) {
        let options = PoolOptions::new().alignment(alignment).keep_free_bytes(keep);
        let pool = Pool::new(options).expect("a pool");
        let mut model = Model { pool, alignment, held: BTreeMap::new(), marks: 0 };
        steps.into_iter().for_each(|step| model.step(step));
        while let Some(&address) = model.held.keys().next() {
            model.give_at(address);
        }
        model.pool.trim();
        let stats = model.pool.stats();
        prop_assert_eq!((stats.allocated_buffers, stats.allocated_bytes, stats.requested_bytes), (0, 0, 0));
        prop_assert_eq!((stats.committed_bytes, stats.slabs, stats.cached_bytes), (0, 0, 0));
    }
}
