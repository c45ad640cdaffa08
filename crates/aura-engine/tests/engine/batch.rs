//! Batches and chains.

use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aura_engine::{Completion, Config, Engine, Handle, Memory, Op, Ring, Target};

use crate::odd::lasting_memory;

const PATIENCE: Option<Duration> = Some(Duration::from_secs(20));

fn engine(config: Config) -> Arc<Engine<Ring>> {
    Engine::create(&Config { ring_count: Some(1), queue_depth: 64, ..config }).unwrap()
}

/// What came, with the word of the operation.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(u64, i32)>>>);

impl Log {
    fn item(&self, op: Op, word: u64) -> (Op, u64, impl FnOnce(Completion) + Send + use<>) {
        let log = self.0.clone();
        (op, word, move |done: Completion| log.lock().unwrap().push((word, done.result)))
    }

    fn all(&self) -> Vec<(u64, i32)> {
        self.0.lock().unwrap().clone()
    }
}

fn submit<F: FnOnce(Completion) + Send + 'static>(
    engine: &Engine<Ring>,
    items: Vec<(Op, u64, F)>,
) -> (Vec<Handle>, Result<(), aura_engine::PartlyTaken>) {
    let mut handles = Vec::new();
    // SAFETY: the operations of these tests name memory that is never given back.
    let result = unsafe { engine.submit_batch(items, |handle| handles.push(handle)) };
    (handles, result)
}

#[test]
fn every_operation_of_a_batch_completes_once_and_has_a_handle() {
    let (engine, log) = (engine(Config::default()), Log::default());
    let (handles, result) = submit(&engine, (0..40).map(|n| log.item(Op::nop(), n)).collect());
    result.unwrap();
    let words: Vec<u64> = handles
        .iter()
        .map(|handle| aura_engine::request_info(*handle).unwrap().user_data)
        .collect();
    assert_eq!(words, (0..40).collect::<Vec<_>>());
    engine.drain(PATIENCE).unwrap();
    assert_eq!(log.all(), (0..40).map(|n| (n, 0)).collect::<Vec<_>>());
}

#[test]
fn a_chain_runs_in_order() {
    let (engine, log) = (engine(Config::default()), Log::default());
    let file = tempfile::tempfile().unwrap();
    let target = Target::Fd(file.as_raw_fd());
    let (out, back) = (lasting_memory(4096), lasting_memory(4096));
    let address = |memory| match memory {
        Memory::Address(address) => address,
        Memory::Registered { .. } => unreachable!("not registered"),
    };
    for round in 1..=50u8 {
        // SAFETY: nothing is in flight.
        unsafe { address(out).write_bytes(round, 4096) };
        let chain = vec![
            log.item(Op::write(target, out, 4096, 0).unwrap().linked(), 1),
            log.item(Op::fdatasync(target).unwrap().linked(), 2),
            log.item(Op::read(target, back, 4096, 0).unwrap(), 3),
        ];
        submit(&engine, chain).1.unwrap();
        engine.drain(PATIENCE).unwrap();
        // SAFETY: nothing is in flight.
        assert_eq!(unsafe { address(back).add(4095).read() }, round);
    }
    assert_eq!(log.all()[..3], [(1, 4096), (2, 0), (3, 4096)]);
}

#[test]
fn a_failure_cancels_the_rest_of_its_chain_and_nothing_else() {
    let (engine, log) = (engine(Config::default()), Log::default());
    let closed = Target::Fd(1_000_000);
    let items = vec![
        log.item(Op::nop(), 0),
        log.item(Op::read(closed, lasting_memory(8), 8, 0).unwrap().linked(), 1),
        log.item(Op::nop().linked(), 2),
        log.item(Op::nop(), 3),
        log.item(Op::nop(), 4),
    ];
    submit(&engine, items).1.unwrap();
    engine.drain(PATIENCE).unwrap();
    let mut all = log.all();
    all.sort_unstable();
    let cancelled = -libc::ECANCELED;
    assert_eq!(all, [(0, 0), (1, -libc::EBADF), (2, cancelled), (3, cancelled), (4, 0)]);
}

#[test]
fn a_chain_is_taken_whole_or_not_at_all() {
    let config = Config { disable_adaptive: true, initial_in_flight: Some(4), ..Config::default() };
    let (engine, log) = (engine(config), Log::default());
    let (reader, writer) = std::io::pipe().unwrap();
    let read = Op::read(Target::Fd(reader.as_raw_fd()), lasting_memory(8), 8, 0).unwrap();
    let items = vec![
        log.item(read, 0),
        log.item(read, 1),
        log.item(Op::nop().linked(), 2),
        log.item(Op::nop().linked(), 3),
        log.item(Op::nop(), 4),
    ];
    let (handles, result) = submit(&engine, items);
    let refused = result.unwrap_err();
    assert_eq!((refused.taken, refused.error.errno(), handles.len()), (2, libc::EAGAIN, 2));
    assert_eq!(engine.in_flight(), 2);
    drop(writer);
    engine.drain(PATIENCE).unwrap();
    assert_eq!(log.all().len(), 2);
    // By itself it may be longer than the limit.
    let items = (0..6).map(|n| {
        let nop = if n < 5 { Op::nop().linked() } else { Op::nop() };
        log.item(nop, 10 + n)
    });
    submit(&engine, items.collect()).1.unwrap();
    engine.drain(PATIENCE).unwrap();
    assert_eq!(log.all().len(), 8);
}

#[test]
fn what_cannot_be_a_chain_is_refused() {
    let (engine, log) = (engine(Config::default()), Log::default());
    let open_end = vec![log.item(Op::nop(), 0), log.item(Op::nop().linked(), 1)];
    let refused = submit(&engine, open_end).1.unwrap_err();
    assert_eq!((refused.taken, refused.error.errno()), (1, libc::EINVAL));
    let endless = (0..65).map(|n| log.item(if n < 64 { Op::nop().linked() } else { Op::nop() }, n));
    let refused = submit(&engine, endless.collect()).1.unwrap_err();
    assert_eq!((refused.taken, refused.error.errno()), (0, libc::EINVAL));
    engine.drain(PATIENCE).unwrap();
    assert_eq!(log.all(), [(0, 0)]);
}

#[test]
fn chains_of_several_threads_stay_whole() {
    let (engine, log) = (engine(Config::default()), Log::default());
    std::thread::scope(|scope| {
        for thread in 0..3u64 {
            let (engine, log) = (&engine, &log);
            scope.spawn(move || {
                for _ in 0..2_000 {
                    let failing = Op::read(Target::Fd(1_000_000), lasting_memory(1), 1, 0).unwrap();
                    // Cancelled only if it reaches the kernel together with what it is linked to.
                    let chain = vec![
                        log.item(failing.linked(), 2 * thread),
                        log.item(Op::nop(), 2 * thread + 1),
                    ];
                    if submit(engine, chain).1.is_err() {
                        engine.wait(Some(Duration::from_millis(1))).ok();
                    }
                    engine.flush().unwrap();
                }
            });
        }
    });
    engine.drain(PATIENCE).unwrap();
    let all = log.all();
    assert!(all.len() > 6_000, "only {} came", all.len());
    for (word, result) in all {
        let expected = if word % 2 == 0 { -libc::EBADF } else { -libc::ECANCELED };
        assert_eq!(result, expected, "of operation {word}");
    }
}
