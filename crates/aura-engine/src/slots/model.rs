//! The slots of a ring against a model: random steps of submitters and of the reaping thread.
//!
//! The model knows which slots are free, in what order, and what each of the others holds. It judges
//! which slot is handed out, what a name answers, and that each tenant ends once: completed, taken out
//! again, or dropped.
//!
//! This file is `unsafe` because it plays the holder of the submission lock and the reaping thread.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Arc, Mutex};

use aura_ring::Sqe;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestCaseResult, TestError, TestRunner};

use super::{FreeSlots, Slots};
use crate::Completion;
use crate::handle::{Handle, SlotName};
use crate::op::OpKind;
use crate::slot::{CANCEL_ASKED, CHAINED, INLINE_CAPTURE_BYTES, REGISTERED_BUFFER, Slot};
use crate::tenant::Tenant;

/// Few, so that they run out and come round.
const SLOTS: usize = 6;
const FLAGS: [u16; 3] = [0, REGISTERED_BUFFER, CHAINED];

#[derive(Clone, Debug)]
enum Step {
    Submit {
        large: bool,
        flags: usize,
    },
    /// An operation takes a slot, and is refused before or after it is in there.
    Refuse {
        occupied: bool,
    },
    /// As `Submit`, but it has to wait for a permit.
    Park,
    /// One that waits gets it, or never will.
    Admit {
        pick: Index,
    },
    GiveUp {
        pick: Index,
    },
    AskCancel {
        pick: Index,
        asked: bool,
    },
    /// The kernel completes some; all are called back, and then all their slots are freed.
    Complete {
        picks: Vec<Index>,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let pick = any::<Index>;
    prop_oneof![
        8 => (any::<bool>(), 0..FLAGS.len()).prop_map(|(large, flags)| Step::Submit { large, flags }),
        2 => any::<bool>().prop_map(|occupied| Step::Refuse { occupied }),
        2 => Just(Step::Park),
        2 => pick().prop_map(|pick| Step::Admit { pick }),
        1 => pick().prop_map(|pick| Step::GiveUp { pick }),
        2 => (pick(), any::<bool>()).prop_map(|(pick, asked)| Step::AskCancel { pick, asked }),
        5 => vec(pick(), 1..4).prop_map(|picks| Step::Complete { picks }),
    ]
}

/// What is done wrong on purpose, to prove that the model would notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mistake {
    /// A slot is freed without a new generation.
    KeepGeneration,
    FreeTwice,
    ForgetSlot,
    ForgetCallback,
    /// The slot of a refused operation is not given back.
    LoseRefused,
    /// A refused operation is taken out, and its slot still says that it is in flight.
    LeaveRefused,
    /// A slot is handed to the kernel and stays marked as parked.
    AdmitSilently,
    /// Slots that are freed together are freed in the opposite order.
    FreeBackwards,
    /// A cancellation is not noted.
    ForgetCancel,
}

const MISTAKES: [Mistake; 9] = [
    Mistake::KeepGeneration,
    Mistake::FreeTwice,
    Mistake::ForgetSlot,
    Mistake::ForgetCallback,
    Mistake::LoseRefused,
    Mistake::LeaveRefused,
    Mistake::AdmitSilently,
    Mistake::FreeBackwards,
    Mistake::ForgetCancel,
];

/// How tenants ended, by the number of their operation: with a result, or dropped.
type Ends = Arc<Mutex<BTreeMap<usize, Vec<Option<i32>>>>>;

/// A tenant that says how it ends. With ballast it is boxed.
struct Witness<const BALLAST: usize> {
    number: usize,
    result: Option<i32>,
    ballast: [u8; BALLAST],
    ends: Ends,
}

impl<const BALLAST: usize> Tenant for Witness<BALLAST> {
    fn complete(mut self, word: &AtomicPtr<()>, completion: Completion) {
        assert_eq!(word.load(Ordering::Relaxed).addr(), self.number, "another's word");
        assert_eq!(self.ballast, [self.number as u8; BALLAST], "another's captures");
        self.result = Some(completion.result);
    }
}

impl<const BALLAST: usize> Drop for Witness<BALLAST> {
    fn drop(&mut self) {
        self.ends.lock().unwrap().entry(self.number).or_default().push(self.result);
    }
}

/// An operation, as the model knows it.
#[derive(Clone, Copy, Debug)]
struct Held {
    name: SlotName,
    number: usize,
    flags: u16,
    is_parked: bool,
}

struct Game {
    slots: Slots,
    free: FreeSlots,
    mistake: Option<Mistake>,
    ends: Ends,
    /// What the model knows: operations in slots, names of those that are over, slots that were freed
    /// in their order, slots ever used, and each slot's generation.
    held: Vec<Held>,
    over: Vec<SlotName>,
    freed: Vec<u32>,
    fresh: u32,
    generations: [u32; SLOTS],
    expected_ends: BTreeMap<usize, Vec<Option<i32>>>,
}

impl Game {
    fn new(mistake: Option<Mistake>) -> Self {
        let (slots, free) = Slots::new(SLOTS).expect("memory");
        Self {
            slots,
            free,
            mistake,
            ends: Ends::default(),
            held: Vec::new(),
            over: Vec::new(),
            freed: Vec::new(),
            fresh: 0,
            generations: [0; SLOTS],
            expected_ends: BTreeMap::new(),
        }
    }

    fn slot(&self, name: SlotName) -> &Slot {
        self.slots.get(name.slot).expect("there")
    }

    fn pick(&self, pick: Index, parked: bool) -> Option<usize> {
        let fits = |at: &usize| self.held[*at].is_parked == parked;
        let found: Vec<_> = (0..self.held.len()).filter(fits).collect();
        (!found.is_empty()).then(|| *pick.get(&found))
    }

    fn step(&mut self, step: Step) -> TestCaseResult {
        match step {
            Step::Submit { large, flags } => {
                let flags = FLAGS[flags];
                let _no_slot_is_fine = match large {
                    false => self.submit::<0>(flags)?,
                    true => self.submit::<INLINE_CAPTURE_BYTES>(flags)?,
                };
            }
            Step::Refuse { occupied } => self.refuse(occupied)?,
            Step::Park => {
                if let Some(name) = self.submit::<0>(0)? {
                    // SAFETY: just occupied.
                    unsafe { self.slot(name).park() };
                    self.held.last_mut().expect("just submitted").is_parked = true;
                }
            }
            Step::Admit { pick } => {
                let Some(at) = self.pick(pick, true) else { return Ok(()) };
                if self.mistake != Some(Mistake::AdmitSilently) {
                    // SAFETY: it is parked.
                    unsafe { self.slot(self.held[at].name).admit(2) };
                }
                self.held[at].is_parked = false;
            }
            Step::GiveUp { pick } => {
                let Some(at) = self.pick(pick, true) else { return Ok(()) };
                let held = self.held.remove(at);
                // SAFETY: it is parked, and linked to nothing.
                unsafe { self.slot(held.name).give_up() };
                self.end(&[held], -libc::ECANCELED);
            }
            Step::AskCancel { pick, asked } => {
                let Some(at) = self.pick(pick, false) else { return Ok(()) };
                let Held { name, flags, .. } = self.held[at];
                if self.mistake != Some(Mistake::ForgetCancel) {
                    let before = self.slot(name).ask_cancel(asked);
                    prop_assert_eq!(before, flags & CANCEL_ASKED != 0);
                }
                self.held[at].flags = flags & !CANCEL_ASKED | if asked { CANCEL_ASKED } else { 0 };
            }
            Step::Complete { picks } => {
                let mut done = Vec::new();
                for pick in picks {
                    let Some(at) = self.pick(pick, false) else { break };
                    let held = self.held.remove(at);
                    let slot = self.slot(held.name);
                    prop_assert!(slot.is_in_flight(held.name.generation), "not in flight");
                    // SAFETY: it is in flight, and no kernel has it.
                    let completed = unsafe { slot.complete() };
                    prop_assert_eq!((completed.kind, completed.flags), (OpKind::Nop, held.flags));
                    done.push(held);
                }
                self.end(&done, 7);
            }
        }
        self.judge()
    }

    /// Takes the slot that is to be handed out next.
    fn take(&mut self) -> Result<Option<SlotName>, TestCaseError> {
        let unused = (self.fresh < SLOTS as u32).then_some(self.fresh);
        let expected = self.freed.last().copied().or(unused);
        let Some((index, slot)) = self.slots.pop(&mut self.free) else {
            prop_assert_eq!(expected, None, "no slot");
            return Ok(None);
        };
        prop_assert_eq!(Some(index), expected, "another slot");
        prop_assert_eq!(self.slots.index_of(slot), index);
        prop_assert_eq!(slot.generation(), self.generations[index as usize]);
        if self.freed.pop().is_none() {
            self.fresh += 1;
        }
        Ok(Some(SlotName { slot: index, generation: slot.generation() }))
    }

    fn submit<const BALLAST: usize>(
        &mut self,
        flags: u16,
    ) -> Result<Option<SlotName>, TestCaseError> {
        let Some(name) = self.take()? else { return Ok(None) };
        let number = self.over.len() + self.held.len();
        let word = std::ptr::without_provenance_mut(number);
        let ends = Arc::clone(&self.ends);
        let ballast = [number as u8; BALLAST];
        let tenant = Witness { number, result: None, ballast, ends };
        // SAFETY: nobody else has these slots, and this one is free.
        unsafe { self.slot(name).occupy(OpKind::Nop, &Sqe::nop(), flags, 1, word, tenant) };
        self.held.push(Held { name, number, flags, is_parked: false });
        Ok(Some(name))
    }

    fn refuse(&mut self, occupied: bool) -> TestCaseResult {
        let taken = if occupied { self.submit::<0>(0)? } else { self.take()? };
        let Some(name) = taken else { return Ok(()) };
        if occupied {
            let held = self.held.pop().expect("just submitted");
            if self.mistake == Some(Mistake::LeaveRefused) {
                // SAFETY: just occupied; what it held is dropped.
                unsafe { self.slot(name).drop_tenant() };
            } else {
                // SAFETY: just occupied, with this type.
                drop(unsafe { self.slot(name).vacate::<Witness<0>>() });
            }
            // The generation is used again: nobody has heard of it.
            self.expected_ends.entry(held.number).or_default().push(None);
        }
        if self.mistake != Some(Mistake::LoseRefused) {
            self.slots.unpop(&mut self.free, name.slot);
        }
        self.freed.push(name.slot);
        Ok(())
    }

    /// Calls back what has completed, and frees its slots.
    fn end(&mut self, done: &[Held], result: i32) {
        for held in done {
            if self.mistake != Some(Mistake::ForgetCallback) {
                let handle = Handle::new(1, 0, held.name);
                // SAFETY: completed, and called back once.
                unsafe { self.slot(held.name).run(Completion { handle, result }) };
            }
            self.expected_ends.entry(held.number).or_default().push(Some(result));
            self.over.push(held.name);
            self.freed.push(held.name.slot);
            self.generations[held.name.slot as usize] += 1;
        }
        let mut slots: Vec<u32> = done.iter().map(|held| held.name.slot).collect();
        match self.mistake {
            Some(Mistake::FreeBackwards) => slots.reverse(),
            Some(Mistake::ForgetSlot) => drop(slots.pop()),
            Some(Mistake::FreeTwice) => slots.extend(slots.first().copied()),
            Some(Mistake::KeepGeneration) => {
                slots.drain(..).for_each(|slot| self.slots.unpop(&mut self.free, slot));
            }
            _ => {}
        }
        // SAFETY: completed and called back.
        unsafe { self.slots.retire(&mut self.free, slots.into_iter()) };
    }

    /// Everything that can be asked has the answer that the model expects.
    fn judge(&self) -> TestCaseResult {
        for held in &self.held {
            let Held { name, number, flags, is_parked } = *held;
            prop_assert_eq!(self.slots.is_in_flight(name), !is_parked, "{:?}", held);
            let word = |slot: &Slot| slot.word().load(Ordering::Relaxed).addr();
            prop_assert_eq!(self.slot(name).ask(name.generation, word), Some(number));
            prop_assert_eq!(self.slot(name).flags(), flags);
        }
        for name in &self.over {
            prop_assert!(!self.slots.is_in_flight(*name), "in flight for ever: {:?}", name);
            let answer = self.slot(*name).ask(name.generation, |_| ());
            prop_assert_eq!(answer, None, "a stale name answers: {:?}", name);
        }
        let in_flight = |flag: u16| {
            let wanted = |held: &&Held| !held.is_parked && (flag == 0 || held.flags & flag != 0);
            let mut slots: Vec<_> =
                self.held.iter().filter(wanted).map(|held| held.name.slot).collect();
            slots.sort_unstable();
            slots
        };
        let slots = |names: &mut dyn Iterator<Item = SlotName>| -> Vec<u32> {
            names.map(|name| name.slot).collect()
        };
        prop_assert_eq!(slots(&mut self.slots.in_flight()), in_flight(0));
        let registered = slots(&mut self.slots.in_flight_with(REGISTERED_BUFFER));
        prop_assert_eq!(registered, in_flight(REGISTERED_BUFFER));
        prop_assert_eq!(&*self.ends.lock().unwrap(), &self.expected_ends, "ends of tenants");
        Ok(())
    }

    /// The ring goes, and with it what is still in the slots.
    fn finish(self) -> TestCaseResult {
        let Self { slots, ends, held, mut expected_ends, .. } = self;
        drop(slots);
        for held in held {
            expected_ends.entry(held.number).or_default().push(None);
        }
        prop_assert_eq!(&*ends.lock().unwrap(), &expected_ends, "ends of tenants, at the end");
        Ok(())
    }
}

fn play(cases: u32, mistake: Option<Mistake>) -> Result<(), TestError<Vec<Step>>> {
    // `PROPTEST_CASES` asks for more or fewer.
    let asked_for = |_| Config::default().cases;
    let cases = std::env::var("PROPTEST_CASES").map_or(cases, asked_for);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new(config).run(&vec(step(), 1..80), |steps| {
        let mut game = Game::new(mistake);
        steps.into_iter().try_for_each(|step| game.step(step))?;
        game.finish()
    })
}

#[test]
fn slots_agree_with_the_model() {
    if let Err(error) = play(512, None) {
        panic!("{error}");
    }
}

#[test]
fn every_mistake_is_noticed() {
    for mistake in MISTAKES {
        let error = play(512, Some(mistake)).expect_err("a mistake");
        assert!(matches!(error, TestError::Fail(..)), "{mistake:?}: {error}");
    }
}
