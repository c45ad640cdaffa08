//! One engine for a while: two foremen send in workers, one after the other, which submit and end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use aura::{Engine, Options};
use aura_stress::interrupt;
use aura_stress::random::{Random, mix};

use crate::account::Account;
use crate::engines::{self, Drive};
use crate::ledger::Ledger;
use crate::plant::{self, Plant};
use crate::site::Site;
use crate::stints::{self, Failure, Processing};
use crate::tally::{Came, Tally};

/// What a shift is to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) seed: u64,
    pub(crate) operations: usize,
    pub(crate) deadline: Option<Instant>,
    pub(crate) plant: Option<Plant>,
}

#[derive(Debug)]
pub(crate) struct Shift {
    pub(crate) site: Arc<Site>,
    pub(crate) tally: Arc<Tally>,
    pub(crate) ledger: Ledger,
    terms: Terms,
}

/// Threads that send in workers. As many workers are there at a time.
const FOREMEN: u64 = 2;
/// The most operations of one worker.
const STINT_MAX: u64 = 2048;
/// Every so many shifts, all is done by one thread, on an engine without locks.
const ALONE_ONE_IN: u64 = 8;

impl Shift {
    pub(crate) fn new(site: &Arc<Site>, tally: &Arc<Tally>, terms: Terms) -> Arc<Self> {
        let ledger = Ledger::new(terms.operations);
        Arc::new(Self { site: site.clone(), tally: tally.clone(), ledger, terms })
    }

    /// Carries it out: every other shift on the standing engine, the rest on one of its own.
    pub(crate) fn run(self: &Arc<Self>, standing: &Engine, number: u64) -> Result<(), Failure> {
        let mut random = Random::new(self.terms.seed);
        if number.is_multiple_of(2) {
            self.on(standing, &mut random)?;
        } else if random.one_in(ALONE_ONE_IN) {
            self.tally.engine();
            let options = engines::options(&mut random, Options::new().single_thread(true));
            self.alone(&Engine::with_options(&options)?, &mut random)?;
        } else {
            self.tally.engine();
            let engine = Engine::with_options(&engines::options(&mut random, Options::new()))?;
            self.on(&engine, &mut random)?;
        }
        plant::leave_behind(self.terms.plant, standing);
        if let Some(mistakes) = self.ledger.mistakes() {
            self.tally.finding(mistakes);
        }
        match self.site.blocks.claimed() {
            0 => {}
            claimed => self.tally.finding(format!("{claimed} blocks are claimed by nobody")),
        }
        Ok(())
    }

    /// An operation of this number is over.
    pub(crate) fn enter(&self, number: usize, came: Came) {
        self.ledger.enter(number);
        self.tally.came(came);
    }

    /// The mistake to make with this operation.
    pub(crate) fn planted(&self, number: usize) -> Option<Plant> {
        const ONE_IN: usize = 1000;
        self.terms.plant.filter(|_| number % ONE_IN == ONE_IN - 1)
    }

    fn on(self: &Arc<Self>, engine: &Engine, random: &mut Random) -> Result<(), Failure> {
        let account = Account::open(self, engine)?;
        self.register(engine)?;
        let drive = Drive::draw(random);
        let over = AtomicBool::new(false);
        let worked = std::thread::scope(|scope| {
            let processing = scope.spawn(|| {
                let processed = drive.process(engine, &over);
                if let Err(error) = &processed {
                    self.tally.finding(format!("{drive:?} ended: {error}"));
                }
                processed
            });
            let foremen: Vec<_> = (0..FOREMEN)
                .map(|foreman| {
                    let random = Random::new(mix(self.terms.seed) ^ foreman);
                    let account = &account;
                    scope.spawn(move || self.foreman(account, engine, foreman == 0, random))
                })
                .collect();
            let worked = foremen.into_iter().try_for_each(joined);
            over.store(true, Ordering::Release);
            engine.stop();
            worked.and(joined(processing))
        });
        worked?;
        account.close(engine)?;
        self.unregister(engine)
    }

    /// Sends in workers until there is nothing left to do.
    fn foreman(
        &self,
        account: &Arc<Account>,
        engine: &Engine,
        registers: bool,
        mut random: Random,
    ) -> Result<(), Failure> {
        while let Some(numbers) = self.next_stint(&mut random) {
            let mut own = Random::new(random.next());
            self.tally.thread();
            std::thread::scope(|scope| {
                let work =
                    || stints::work(account, engine, Processing::Elsewhere, numbers, &mut own);
                joined(scope.spawn(work))
            })?;
            // Under fire: operations on the memory are in flight, others are being submitted.
            if registers && random.one_in(64) {
                self.unregister(engine)?;
                self.register(engine)?;
            }
        }
        Ok(())
    }

    /// The numbers of one worker.
    fn next_stint(&self, random: &mut Random) -> Option<std::ops::Range<usize>> {
        let time_is_up = self.terms.deadline.is_some_and(|deadline| Instant::now() >= deadline);
        if interrupt::requested() || time_is_up || self.tally.has_findings() {
            return None;
        }
        self.ledger.claim(1 + random.below(STINT_MAX) as usize)
    }

    /// One thread does everything.
    fn alone(self: &Arc<Self>, engine: &Engine, random: &mut Random) -> Result<(), Failure> {
        let account = Account::open(self, engine)?;
        self.register(engine)?;
        while let Some(numbers) = self.next_stint(random) {
            stints::work(&account, engine, Processing::Here, numbers, random)?;
        }
        account.close(engine)?;
        self.unregister(engine)
    }

    fn register(&self, engine: &Engine) -> aura::Result<()> {
        use std::os::fd::AsRawFd;
        // SAFETY: only a name for the memory, which lasts for ever.
        unsafe { engine.register_buffers(&[self.site.places.whole()]) }?;
        engine.register_files(&[self.site.file.as_raw_fd()])
    }

    fn unregister(&self, engine: &Engine) -> Result<(), Failure> {
        engine.unregister_buffers()?;
        Ok(engine.unregister_files()?)
    }
}

fn joined(thread: std::thread::ScopedJoinHandle<'_, Result<(), Failure>>) -> Result<(), Failure> {
    thread.join().unwrap_or_else(|_| Err("a thread panicked".into()))
}
