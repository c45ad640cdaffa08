//! Between queueing and the kernel: nothing stays behind, overtakes, or is done against a
//! cancellation.

use std::io::Write;
use std::os::fd::{AsRawFd, IntoRawFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use aura_engine::{Config, Engine, Memory, Op, Ring, RingSelect, Target};
use aura_ring::Cqe;

use crate::odd::{Heard, eventually, lasting_memory, odd_engine};

fn config(rings: u32) -> Config {
    Config {
        queue_depth: 64,
        ring_count: Some(rings),
        disable_adaptive: true,
        ring_select: RingSelect::RoundRobin,
        ..Config::default()
    }
}

/// Another thread took responsibility for the queue of one ring, and is slow; the close goes to
/// another ring, and must not get there first.
#[test]
fn a_close_does_not_overtake_an_operation_that_another_thread_is_handing_over() {
    let (engine, orders) = odd_engine(&config(2));
    let heard = Heard::default();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&[7; 512]).unwrap();
    let fd = file.into_raw_fd();
    let read = Op::read(Target::Fd(fd), lasting_memory(512), 512, 0).unwrap();
    // SAFETY: the memory is never given back.
    unsafe { engine.submit(&read, 0, heard.hear()) }.unwrap(); // On ring 0, queued.
    orders[0].submit_delay_ms.store(300, Ordering::SeqCst);
    let before = orders[0].submits.load(Ordering::SeqCst);
    let poller = Arc::clone(&engine);
    let poller = std::thread::spawn(move || poller.poll());
    eventually("the other thread", || orders[0].submits.load(Ordering::SeqCst) > before);
    let close = Op::close(fd).unwrap();
    let closed = Heard::default();
    // SAFETY: no memory is named.
    unsafe { engine.submit(&close, 0, closed.hear()) }.unwrap(); // On ring 1.
    engine.flush().unwrap();
    poller.join().unwrap().unwrap();
    orders[0].submit_delay_ms.store(0, Ordering::SeqCst);
    engine.drain(Some(Duration::from_secs(10))).unwrap();
    assert_eq!((heard.all(), closed.all()), (vec![512], vec![0]));
}

/// The kernel carries a cancellation out as soon as it sees it: before the submitter goes on.
#[test]
fn a_cancelled_operation_is_not_repeated_however_fast_the_kernel_is() {
    let (engine, orders) = odd_engine(&config(1));
    let heard = Heard::default();
    let (reader, mut writer) = std::io::pipe().unwrap();
    let read = Op::read(Target::Fd(reader.as_raw_fd()), lasting_memory(64), 64, 0).unwrap();
    // SAFETY: the memory is never given back.
    let request = unsafe { engine.submit(&read, 0, heard.hear()) }.unwrap();
    engine.flush().unwrap();
    let poller = Arc::clone(&engine);
    let poller = std::thread::spawn(move || poller.wait(Some(Duration::from_secs(20))));
    std::thread::sleep(Duration::from_millis(100)); // It sleeps by now.
    orders[0].linger_after_cancel_ms.store(200, Ordering::SeqCst);
    engine.cancel(request).unwrap();
    let start = Instant::now();
    while heard.all().is_empty() && start.elapsed() < Duration::from_secs(3) {
        std::thread::sleep(Duration::from_millis(1));
    }
    writer.write_all(b"x").unwrap(); // Ends the read if it lives on.
    poller.join().unwrap().unwrap();
    assert_eq!(heard.all(), [-libc::ECANCELED], "1: it was repeated, and read what came later");
}

/// A submitter hands over for the sleeping poller. If the kernel has no memory just then, somebody
/// has to try again.
#[test]
fn what_the_kernel_refuses_for_now_does_not_stay_behind_a_sleeping_poller() {
    for rings in [1, 2] {
        let (engine, orders) = odd_engine(&config(rings));
        let heard = Heard::default();
        let (reader, mut writer) = std::io::pipe().unwrap();
        let read = Op::read(Target::Fd(reader.as_raw_fd()), lasting_memory(64), 64, 0).unwrap();
        // SAFETY: the memory is never given back.
        unsafe { engine.submit(&read, 0, heard.hear()) }.unwrap();
        let poller = Arc::clone(&engine);
        let poller = std::thread::spawn(move || while let Ok(1..) = poller.wait(None) {});
        std::thread::sleep(Duration::from_millis(100)); // It sleeps by now.
        for order in &orders {
            order.submit_errno.store(libc::EAGAIN, Ordering::SeqCst);
            order.submit_failures.store(1, Ordering::SeqCst);
        }
        // SAFETY: no memory is named.
        unsafe { engine.submit(&Op::nop(), 0, heard.hear()) }.unwrap();
        let start = Instant::now();
        while heard.all().is_empty() && start.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(Duration::from_millis(1));
        }
        let stranded = heard.all().is_empty();
        writer.write_all(b"x").unwrap(); // Wakes the poller in any case.
        eventually("the read", || heard.all().len() == 2);
        assert!(!stranded, "{rings} rings: queued for ever while the poller slept");
        poller.join().unwrap();
    }
}

/// A completion of what a slot held before is not taken for that of what it holds now.
#[test]
fn a_completion_of_nothing_in_flight_is_ignored() {
    let (engine, orders) = odd_engine(&config(1));
    let (before, heard) = (Heard::default(), Heard::default());
    // SAFETY: no memory is named.
    unsafe { engine.submit(&Op::nop(), 0, before.hear()) }.unwrap();
    let label = orders[0].last_label.load(Ordering::SeqCst);
    engine.drain(Some(Duration::from_secs(10))).unwrap();
    let (reader, mut writer) = std::io::pipe().unwrap();
    let read = Op::read(Target::Fd(reader.as_raw_fd()), lasting_memory(64), 64, 0).unwrap();
    // SAFETY: the memory is never given back.
    unsafe { engine.submit(&read, 0, heard.hear()) }.unwrap(); // In the slot that was freed last.
    let fresh = orders[0].last_label.load(Ordering::SeqCst);
    assert_eq!(label as u32, fresh as u32, "the same slot");
    for label in [label, fresh + (1 << 32), fresh + 1] {
        *orders[0].forged.lock().unwrap() = Some(Cqe { user_data: label, result: 7, flags: 0 });
        assert_eq!(engine.poll().unwrap(), 0);
        assert!(orders[0].forged.lock().unwrap().is_none() && heard.all().is_empty());
    }
    writer.write_all(b"own").unwrap();
    engine.drain(Some(Duration::from_secs(10))).unwrap();
    assert_eq!((before.all(), heard.all()), (vec![0], vec![3]));
}

/// A poller's own hand-over may be refused for a moment as well.
#[test]
fn temporary_refusals_lose_nothing() {
    for errno in [libc::EAGAIN, libc::EBUSY, libc::EINTR, libc::ENOMEM] {
        let (engine, orders) = odd_engine(&config(2));
        let heard = Heard::default();
        for order in &orders {
            order.submit_errno.store(errno, Ordering::SeqCst);
            order.submit_failures.store(5, Ordering::SeqCst);
        }
        for _ in 0..100 {
            // SAFETY: no memory is named.
            unsafe { engine.submit(&Op::nop(), 0, heard.hear()) }.unwrap();
        }
        engine.drain(Some(Duration::from_secs(10))).unwrap();
        assert_eq!(heard.all(), [0; 100], "errno {errno}");
        assert_eq!(engine.fatal_error(), None);
    }
}

/// The kernel cancels the operations of a thread that ends. Nobody asked for it, so nobody shall
/// hear of it, however unlucky the operation is.
#[test]
fn an_unrequested_cancellation_is_never_reported() {
    let (engine, orders) = odd_engine(&config(1));
    for times in [1, 3, 4, 20] {
        let heard = Heard::default();
        orders[0].nops_to_cancel.store(times, Ordering::SeqCst);
        // SAFETY: no memory is named.
        unsafe { engine.submit(&Op::nop(), 0, heard.hear()) }.unwrap();
        engine.drain(Some(Duration::from_secs(10))).unwrap();
        orders[0].nops_to_cancel.store(0, Ordering::SeqCst);
        assert_eq!(heard.all(), [0], "cancelled {times} times in a row");
    }
}

/// Dropping an engine is no request to cancel what can still complete.
#[test]
fn an_unrequested_cancellation_is_not_reported_at_the_end_either() {
    let (engine, orders) = odd_engine(&config(1));
    let heard = Heard::default();
    orders[0].nops_to_cancel.store(1, Ordering::SeqCst);
    // SAFETY: no memory is named.
    unsafe { engine.submit(&Op::nop(), 0, heard.hear()) }.unwrap();
    drop(engine);
    assert_eq!(heard.all(), [0]);
}

/// A second request to cancel that finds no room must not take back the first.
#[test]
fn a_refused_cancellation_does_not_undo_the_one_before() {
    let (engine, orders) = odd_engine(&config(1));
    let heard = Heard::default();
    let (reader, mut writer) = std::io::pipe().unwrap();
    let read = Op::read(Target::Fd(reader.as_raw_fd()), lasting_memory(64), 64, 0).unwrap();
    // SAFETY: the memory is never given back.
    let request = unsafe { engine.submit(&read, 0, heard.hear()) }.unwrap();
    engine.flush().unwrap();
    engine.cancel(request).unwrap();
    orders[0].pushes_to_refuse.store(2, Ordering::SeqCst);
    assert_eq!(engine.cancel(request).unwrap_err().errno(), libc::EBUSY);
    orders[0].pushes_to_refuse.store(0, Ordering::SeqCst);
    let drained = engine.drain(Some(Duration::from_secs(3)));
    writer.write_all(b"x").unwrap(); // Ends the read if it lives on.
    engine.drain(Some(Duration::from_secs(10))).unwrap();
    assert_eq!(heard.all(), [-libc::ECANCELED], "{drained:?}");
}

/// A full queue is emptied by handing it over; that is no reason to give up.
#[test]
fn an_unrequested_cancellation_is_not_reported_because_the_queue_is_full() {
    let (engine, orders) = odd_engine(&config(1));
    let heard = Heard::default();
    orders[0].nops_to_cancel.store(1, Ordering::SeqCst);
    // SAFETY: no memory is named.
    unsafe { engine.submit(&Op::nop(), 0, heard.hear()) }.unwrap();
    engine.flush().unwrap();
    orders[0].pushes_to_refuse.store(1, Ordering::SeqCst);
    engine.poll().unwrap();
    engine.drain(Some(Duration::from_secs(10))).unwrap();
    assert_eq!(heard.all(), [0]);
}

/// An address that the kernel cannot write to is the operation's own failure: it is tried again a
/// few times, and then reported.
#[test]
fn a_failure_that_repeating_does_not_mend_is_reported() {
    for rings in [1, 2, 3] {
        let engine: Arc<Engine<Ring>> =
            Engine::create(&Config { ring_count: Some(rings), ..Config::default() }).unwrap();
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        let heard = Heard::default();
        // A string of the program: memory that is there, and cannot be written to.
        let text: &'static str = "memory that is there, and cannot be written to";
        let memory = Memory::Address(text.as_ptr().cast_mut());
        let target = Target::Fd(file.as_raw_fd());
        let read = Op::read(target, memory, text.len(), 0).unwrap();
        // SAFETY: the memory is never given back, and the kernel will not write to it.
        unsafe { engine.submit(&read, 0, heard.hear()) }.unwrap();
        engine.drain(Some(Duration::from_secs(5))).unwrap();
        assert_eq!(heard.all(), [-libc::EFAULT], "{rings} rings");
    }
}

/// After a sleep that ended in a burst the device may have nothing to do: what comes next is handed over
/// without waiting for a batch. A threshold of the user's is kept.
#[test]
fn after_a_burst_the_first_operation_is_handed_over_at_once() {
    for (fixed, expected) in [(None, true), (Some(16), false)] {
        let (engine, orders) = odd_engine(&config(1));
        engine.set_batch_threshold(fixed).unwrap();
        let handed_over = (0..20).any(|_| {
            sleep_until_burst(&engine);
            let before = orders[0].submits.load(Ordering::SeqCst);
            // SAFETY: no memory is named.
            unsafe { engine.submit(&Op::nop(), 0, |_| ()) }.unwrap();
            let handed_over = orders[0].submits.load(Ordering::SeqCst) > before;
            engine.drain(Some(Duration::from_secs(10))).unwrap();
            handed_over
        });
        // More than once, because the completions of a burst may be seen one by one.
        assert_eq!(handed_over, expected, "threshold {fixed:?}");
    }
}

/// Reads that complete all at once, while the engine sleeps.
fn sleep_until_burst(engine: &Engine<crate::odd::Odd>) {
    const READS: usize = 4;
    let (reader, mut writer) = std::io::pipe().unwrap();
    let heard = Heard::default();
    for _ in 0..READS {
        let target = Target::Fd(reader.as_raw_fd());
        let read = Op::read(target, lasting_memory(1), 1, 0).unwrap();
        // SAFETY: the memory is never given back.
        unsafe { engine.submit(&read, 0, heard.hear()) }.unwrap();
    }
    std::thread::scope(|scope| {
        scope.spawn(move || {
            std::thread::sleep(Duration::from_millis(5));
            writer.write_all(&[1; READS]).unwrap();
            // Open until all have read, or reads would end at the closed end instead.
            std::thread::sleep(Duration::from_millis(5));
        });
        while heard.all().len() < READS {
            engine.wait(Some(Duration::from_secs(10))).unwrap();
        }
    });
}
