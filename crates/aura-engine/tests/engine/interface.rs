//! What only the engine's own interface has: callbacks given back, a word per operation,
//! decisions, calls that would wait for themselves.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use aura_engine::{Config, Engine, Handle, Op, Ring, Target, request_info, request_is_pending};

fn engine(depth: u32) -> Arc<Engine<Ring>> {
    let config = Config { queue_depth: depth, ring_count: Some(1), ..Config::default() };
    Engine::create(&Config { disable_adaptive: true, ..config }).unwrap()
}

#[test]
fn a_refused_submission_gives_the_callback_back_with_what_it_owns() {
    let engine = engine(1);
    let (reader, writer) = std::io::pipe().unwrap();
    let read = {
        use std::os::fd::AsRawFd;
        let memory = crate::odd::lasting_memory(64);
        Op::read(Target::Fd(reader.as_raw_fd()), memory, 64, 0).unwrap()
    };
    // SAFETY: the memory is never given back.
    unsafe { engine.submit(&read, 0, |_| ()) }.unwrap();
    let (sender, owned) = mpsc::channel();
    // SAFETY: no memory is named.
    let rejected = unsafe { engine.submit(&Op::nop(), 0, move |_| sender.send(5).unwrap()) };
    let rejected = rejected.unwrap_err();
    assert_eq!(rejected.error.errno(), libc::EAGAIN);
    assert!(owned.try_recv().is_err(), "not called, not dropped");
    drop(writer);
    engine.drain(None).unwrap();
    // SAFETY: no memory is named.
    unsafe { engine.submit(&Op::nop(), 0, rejected.call) }.unwrap();
    engine.drain(None).unwrap();
    assert_eq!(owned.try_recv(), Ok(5));
}

#[test]
fn the_word_of_an_operation_can_be_asked_for_until_its_callback_returns() {
    let engine = engine(4);
    let (sender, asked) = mpsc::channel();
    let call = move |completion: aura_engine::Completion| {
        let info = request_info(completion.handle).map(|info| info.user_data);
        sender.send((info, request_is_pending(completion.handle))).unwrap();
    };
    // SAFETY: no memory is named.
    let handle = unsafe { engine.submit(&Op::nop(), 0xabcd_ef01_2345_6789, call) }.unwrap();
    assert_eq!(request_info(handle).unwrap().user_data, 0xabcd_ef01_2345_6789);
    engine.drain(None).unwrap();
    assert_eq!(asked.try_recv(), Ok((Some(0xabcd_ef01_2345_6789), false)));
    assert_eq!(request_info(handle), None);
}

#[test]
fn a_callback_that_does_not_return_cannot_hold_up_the_end() {
    let engine = engine(4);
    let (started, begun) = mpsc::channel();
    let (release, held) = mpsc::channel::<()>();
    let block = move |_| {
        started.send(()).unwrap();
        let _ = held.recv();
    };
    // SAFETY: no memory is named.
    unsafe { engine.submit(&Op::nop(), 0, block) }.unwrap();
    let poller = Arc::clone(&engine);
    let poller = std::thread::spawn(move || poller.poll());
    begun.recv().unwrap();
    let (sender, ended) = mpsc::channel();
    let ending = Arc::clone(&engine);
    std::thread::spawn(move || {
        ending.shutdown();
        sender.send(()).unwrap();
    });
    ended.recv_timeout(aura_engine::QUIET + aura_engine::AFTER_CANCEL + crate::odd::LONG).unwrap();
    release.send(()).unwrap();
    assert_eq!(poller.join().unwrap().unwrap(), 1);
}

#[test]
fn any_number_may_be_taken_for_a_handle() {
    let engine = engine(4);
    // SAFETY: no memory is named.
    let handle = unsafe { engine.submit(&Op::nop(), 0, |_| ()) }.unwrap();
    for bit in 0..64 {
        let other = Handle::from_bits(handle.to_bits() ^ 1 << bit);
        // Another engine, of another test, may have an operation with the rest of the number.
        if other.engine() == engine.id() {
            let answers = (request_info(other), request_is_pending(other));
            assert_eq!(answers, (None, false), "bit {bit}");
        }
        assert!(matches!(engine.cancel(other).unwrap_err().errno(), libc::EALREADY | libc::EINVAL));
    }
    for bits in [0, u64::MAX, 1, 1 << 63] {
        assert_eq!(request_info(Handle::from_bits(bits)), None);
    }
    assert!(request_is_pending(handle));
    engine.drain(None).unwrap();
}

#[test]
fn a_callback_may_ask_for_the_decisions() {
    let engine = engine(4);
    let inner = Arc::clone(&engine);
    let (sender, asked) = mpsc::channel();
    let call = move |_| sender.send(inner.decisions().len()).unwrap();
    // SAFETY: no memory is named.
    unsafe { engine.submit(&Op::nop(), 0, call) }.unwrap();
    std::thread::spawn(move || engine.drain(None));
    asked.recv_timeout(Duration::from_secs(10)).expect("an answer, and no deadlock");
}

#[test]
fn another_thread_may_cancel_on_an_engine_of_one_thread_and_wakes_its_owner() {
    let config = Config { ring_count: Some(1), single_thread: true, ..Config::default() };
    let engine: Arc<Engine<Ring>> = Engine::create(&config).unwrap();
    let (reader, _writer) = std::io::pipe().unwrap();
    let read = {
        use std::os::fd::AsRawFd;
        let memory = crate::odd::lasting_memory(64);
        Op::read(Target::Fd(reader.as_raw_fd()), memory, 64, 0).unwrap()
    };
    let (sender, results) = mpsc::channel();
    // SAFETY: the memory is never given back.
    let read = unsafe {
        engine.submit(&read, 0, move |completion| sender.send(completion.result).unwrap())
    };
    let read = read.unwrap();
    std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(20)); // The owner sleeps by now.
            assert_eq!(engine.flush().unwrap_err().errno(), libc::EINVAL, "not the owner");
            engine.cancel(read)
        });
        engine.wait(None).unwrap();
        other.join().expect("no panic").unwrap();
    });
    assert_eq!(results.try_recv(), Ok(-libc::ECANCELED));
    let late = std::thread::scope(|scope| scope.spawn(|| engine.cancel(read)).join());
    assert_eq!(late.expect("no panic").unwrap_err().errno(), libc::EALREADY);
}

#[test]
fn what_is_posted_is_called_once_where_completions_are_processed() {
    struct Call(mpsc::Sender<std::thread::ThreadId>);
    impl std::task::Wake for Call {
        fn wake(self: Arc<Self>) {
            self.0.send(std::thread::current().id()).unwrap();
        }
    }
    for single_thread in [false, true] {
        let config = Config { ring_count: Some(1), single_thread, ..Config::default() };
        let engine: Arc<Engine<Ring>> = Engine::create(&config).unwrap();
        engine.poll().unwrap();
        let (sender, calls) = mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(20)); // The poller sleeps by now.
                engine.post(Arc::new(Call(sender)).into()).unwrap();
            });
            assert_eq!(engine.wait(Some(Duration::from_secs(30))).unwrap(), 1);
        });
        assert_eq!(calls.try_iter().collect::<Vec<_>>(), [std::thread::current().id()]);
        assert_eq!(engine.poll().unwrap(), 0);
        let (sender, late_calls) = mpsc::channel();
        engine.post(Arc::new(Call(sender)).into()).unwrap();
        drop(engine);
        assert_eq!(late_calls.recv(), Err(mpsc::RecvError), "dropped, not called");
    }
}
