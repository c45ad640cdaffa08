//! Futures: the reference's trait, and what becomes of a future that is dropped.

use std::future::Future;
use std::io::Write;
use std::os::fd::{AsRawFd, RawFd};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use aura::async_io::{AsyncEngine, IoFuture};
use aura::{Engine, Error, Result, iovec};

use crate::common::{contents, engine_of, file_with, small_engine};

fn block_on(engine: &Engine, future: impl Future<Output = Result<usize>>) -> Result<usize> {
    let mut future = pin!(future);
    loop {
        let mut context = Context::from_waker(Waker::noop());
        if let Poll::Ready(result) = future.as_mut().poll(&mut context) {
            return result;
        }
        engine.wait(-1)?;
    }
}

#[test]
fn the_trait_and_the_future_are_those_of_the_reference() {
    fn is_send<T: Send>() {}
    is_send::<IoFuture>();
    fn resolves<T: Future<Output = Result<usize>>>() {}
    resolves::<IoFuture>();
    fn implements<T: AsyncEngine>() {}
    implements::<Engine>();
    type Vectored = unsafe fn(&Engine, RawFd, &[iovec], i64) -> Result<IoFuture>;
    let _: [Vectored; 2] =
        [<Engine as AsyncEngine>::async_readv, <Engine as AsyncEngine>::async_writev];
    let _: [fn(&Engine, RawFd) -> Result<IoFuture>; 2] =
        [<Engine as AsyncEngine>::async_fsync, <Engine as AsyncEngine>::async_fdatasync];
}

#[test]
fn code_written_from_the_reference_compiles_and_works() -> Result<()> {
    let file = file_with(b"");
    let fd = file.as_raw_fd();
    let engine = small_engine();
    let mut buf = engine.allocate_buffer(4096)?;
    buf.as_mut_slice().fill(6);
    // SAFETY: the buffers outlive the operations.
    unsafe {
        assert_eq!(block_on(&engine, engine.async_write(fd, &buf, 4096, 0)?)?, 4096);
        assert_eq!(block_on(&engine, engine.async_fsync(fd)?)?, 0);
        assert_eq!(block_on(&engine, engine.async_fdatasync(fd)?)?, 0);
        buf.as_mut_slice().fill(0);
        let future = engine.async_read(fd, &buf, 4096, 0)?;
        let bytes_read = block_on(&engine, async { Ok(future.await? + 1) })? - 1;
        assert_eq!((bytes_read, buf.as_slice()[4095]), (4096, 6));
        let again = engine.async_read(fd, &mut buf, 10, 4090)?;
        assert_eq!(block_on(&engine, again)?, 6);
        let iov = [iovec { iov_base: buf.as_mut_ptr().cast(), iov_len: 100 }];
        assert_eq!(block_on(&engine, engine.async_readv(fd, &iov, 4000)?)?, 96);
        assert_eq!(block_on(&engine, engine.async_writev(fd, &iov, 4096)?)?, 100);
    }
    assert_eq!(contents(&file).len(), 4196);
    Ok(())
}

#[test]
fn errors_come_from_the_call_or_from_the_future() {
    let engine = engine_of(1, 1);
    let buf = engine.allocate_buffer(4096).unwrap();
    // SAFETY: refused.
    let refused = unsafe { engine.async_read(-1, &buf, 1, 0) };
    assert!(matches!(refused, Err(Error::InvalidArgument(_))));
    let (reader, writer) = std::io::pipe().unwrap();
    // SAFETY: the buffer outlives the operation.
    let pending = unsafe { engine.async_read(reader.as_raw_fd(), &buf, 64, 0) }.unwrap();
    let at_limit = engine.async_fsync(900_000).unwrap_err();
    assert!(matches!(at_limit, Error::Submission(_)) && at_limit.errno() == libc::EAGAIN);
    drop(writer);
    assert_eq!(block_on(&engine, pending).unwrap(), 0);
    let failing = engine.async_fsync(900_000).unwrap();
    let failed = block_on(&engine, failing).unwrap_err();
    assert!(matches!(failed, Error::Io(_)) && failed.errno() == libc::EBADF);
}

#[test]
fn a_dropped_future_cancels_its_operation() {
    let engine = small_engine();
    let (reader, mut writer) = std::io::pipe().unwrap();
    let buf = engine.allocate_buffer(64).unwrap();
    // SAFETY: the buffer outlives the operations.
    let future = unsafe { engine.async_read(reader.as_raw_fd(), &buf, 64, 0) }.unwrap();
    engine.poll().unwrap();
    drop(future);
    engine.drain(10_000).unwrap();
    assert_eq!(engine.pending_count(), 0);
    // What comes later is the next reader's.
    writer.write_all(b"next").unwrap();
    // SAFETY: as above.
    let next = unsafe { engine.async_read(reader.as_raw_fd(), &buf, 64, 0) }.unwrap();
    assert_eq!(block_on(&engine, next).unwrap(), 4);
}

struct Counting(AtomicUsize);

impl Wake for Counting {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn the_last_waker_is_woken_once() {
    let engine = small_engine();
    let mut future = engine.async_fsync(900_000).unwrap();
    let [first, last] = [0, 0].map(|zero| Arc::new(Counting(AtomicUsize::new(zero))));
    for waker in [&first, &first, &last] {
        let waker = Waker::from(Arc::clone(waker));
        let polled = Pin::new(&mut future).poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
    }
    engine.drain(-1).unwrap();
    assert_eq!((first.0.load(Ordering::SeqCst), last.0.load(Ordering::SeqCst)), (0, 1));
    let mut context = Context::from_waker(Waker::noop());
    assert!(matches!(Pin::new(&mut future).poll(&mut context), Poll::Ready(Err(Error::Io(_)))));
}

#[test]
fn a_future_may_outlive_its_engine() {
    let engine = small_engine();
    let mut done = engine.async_fsync(900_000).unwrap();
    let never_polled = engine.async_fsync(900_000).unwrap();
    drop(engine);
    let mut context = Context::from_waker(Waker::noop());
    assert!(matches!(Pin::new(&mut done).poll(&mut context), Poll::Ready(Err(Error::Io(_)))));
    drop(never_polled);
}
