//! Every item of the reference's Rust tables, by its exact signature. Mostly a matter of compiling.

use std::ffi::{CStr, c_void};
use std::fmt::{Debug, Display};
use std::hash::Hash;
use std::io;
use std::os::fd::RawFd;

use aura::{
    Buffer, BufferRef, BufferStats, Engine, Error, Histogram, LogLevel, Options, RequestHandle,
    Result, RingSelect, RingStats, Stats, iovec, statx,
};

type Callback = fn(Result<usize>);

fn is_send<T: Send>() {}
fn is_sync<T: Sync>() {}
fn is_clone_and_debug<T: Clone + Debug>() {}

/// Compiles only if `$type` does not implement `$trait`: otherwise the inference is ambiguous.
macro_rules! assert_not {
    ($type:ty, $trait:path) => {{
        trait Ambiguous<Marker> {
            fn check() {}
        }
        struct IfImplemented;
        impl<T: ?Sized> Ambiguous<()> for T {}
        impl<T: ?Sized + $trait> Ambiguous<IfImplemented> for T {}
        <$type as Ambiguous<_>>::check();
    }};
}

#[test]
fn threads_may_share_what_the_reference_says() {
    is_send::<Engine>();
    is_sync::<Engine>();
    is_send::<Buffer>();
    assert_not!(Buffer, Sync);
    is_send::<RequestHandle>();
    assert_not!(RequestHandle, Sync);
    is_send::<Error>();
    is_sync::<Error>();
    is_send::<Options>();
}

#[test]
fn types_have_the_traits_of_the_reference() {
    fn log_level<T>()
    where
        T: Clone + Copy + Debug + Display + PartialEq + Eq + PartialOrd + Ord + Hash,
    {
    }
    fn copied<T: Copy + Clone + Debug>() {}
    log_level::<LogLevel>();
    copied::<BufferRef>();
    is_clone_and_debug::<Stats>();
    is_clone_and_debug::<RingStats>();
    is_clone_and_debug::<Histogram>();
    is_clone_and_debug::<BufferStats>();
    let _: Stats = Stats::default();
    let _: Options = Options::default().clone();
    fn debug<T: Debug>() {}
    debug::<RequestHandle>();
    fn bytes<T: AsRef<[u8]> + AsMut<[u8]>>() {}
    bytes::<Buffer>();
    fn error<T: std::error::Error + Send + Sync + 'static>() {}
    error::<Error>();
    fn named<T: for<'a> From<&'a Buffer> + for<'a> From<&'a mut Buffer>>() {}
    named::<BufferRef>();
}

#[test]
fn options_have_every_builder() {
    let _: fn() -> Options = Options::new;
    let _: fn(Options, i32) -> Options = Options::queue_depth;
    let _: fn(Options, i32) -> Options = Options::ring_count;
    let _: fn(Options, i32) -> Options = Options::initial_in_flight;
    let _: fn(Options, i32) -> Options = Options::min_in_flight;
    let _: fn(Options, f64) -> Options = Options::max_p99_latency_ms;
    let _: fn(Options, usize) -> Options = Options::buffer_alignment;
    let _: fn(Options, bool) -> Options = Options::disable_adaptive;
    let _: fn(Options, bool) -> Options = Options::enable_sqpoll;
    let _: fn(Options, i32) -> Options = Options::sqpoll_idle_ms;
    let _: fn(Options, RingSelect) -> Options = Options::ring_select;
    let _: fn(Options, bool) -> Options = Options::single_thread;
    match RingSelect::Adaptive {
        RingSelect::Adaptive | RingSelect::CpuLocal | RingSelect::RoundRobin => {}
    }
}

#[test]
fn the_engine_has_every_method() {
    let _: fn() -> Result<Engine> = Engine::new;
    let _: fn(&Options) -> Result<Engine> = Engine::with_options;
    let _: fn(&Engine) -> *mut aura::aura_engine_t = Engine::as_ptr;
    let _: fn(&Engine, usize) -> Result<Buffer> = Engine::allocate_buffer;
    let _: unsafe fn(&Engine, &[&mut [u8]]) -> Result<()> = Engine::register_buffers;
    let _: fn(&Engine) -> Result<()> = Engine::unregister_buffers;
    let _: fn(&Engine) -> Result<()> = Engine::request_unregister_buffers;
    let _: fn(&Engine, &[RawFd]) -> Result<()> = Engine::register_files;
    let _: fn(&Engine, i32, RawFd) -> Result<()> = Engine::update_file;
    let _: fn(&Engine) -> Result<()> = Engine::unregister_files;
    let _: fn(&Engine) -> Result<()> = Engine::request_unregister_files;
    let _: fn(&Engine) -> Result<RawFd> = Engine::poll_fd;
    let _: fn(&Engine) -> Result<usize> = Engine::poll;
    let _: fn(&Engine, i32) -> Result<usize> = Engine::wait;
    let _: fn(&Engine) = Engine::run;
    let _: fn(&Engine) = Engine::stop;
    let _: fn(&Engine, i32) -> Result<usize> = Engine::drain;
    let _: fn(&Engine) -> Result<Stats> = Engine::stats;
    let _: fn(&Engine) -> i32 = Engine::ring_count;
    let _: fn(&Engine, i32) -> Result<RingStats> = Engine::ring_stats;
    let _: fn(&Engine, i32) -> Result<Histogram> = Engine::histogram;
    let _: fn(&Engine) -> Result<BufferStats> = Engine::buffer_stats;
    let _: fn(&Engine) -> Result<i32> = Engine::get_fatal_error;
    let _: unsafe fn(&Engine, &RequestHandle) -> Result<()> = Engine::cancel;
}

type Transfer = unsafe fn(&Engine, RawFd, BufferRef, usize, i64, Callback) -> Result<RequestHandle>;
type Vectored = unsafe fn(&Engine, RawFd, &[iovec], i64, Callback) -> Result<RequestHandle>;
type Sync_ = fn(&Engine, RawFd, Callback) -> Result<RequestHandle>;
type Open = fn(&Engine, RawFd, &CStr, i32, u32, Callback) -> Result<RequestHandle>;
type Statx =
    unsafe fn(&Engine, RawFd, &CStr, i32, u32, *mut statx, Callback) -> Result<RequestHandle>;
type Fallocate = fn(&Engine, RawFd, i32, i64, i64, Callback) -> Result<RequestHandle>;
type Truncate = fn(&Engine, RawFd, i64, Callback) -> Result<RequestHandle>;
type SyncRange = fn(&Engine, RawFd, i64, i64, u32, Callback) -> Result<RequestHandle>;

#[test]
fn the_engine_has_every_operation() {
    let _: [Transfer; 2] = [Engine::read::<Callback>, Engine::write::<Callback>];
    let _: [Vectored; 2] = [Engine::readv::<Callback>, Engine::writev::<Callback>];
    let _: [Sync_; 3] =
        [Engine::fsync::<Callback>, Engine::fdatasync::<Callback>, Engine::close::<Callback>];
    let _: Open = Engine::openat::<Callback>;
    let _: Statx = Engine::statx::<Callback>;
    let _: Fallocate = Engine::fallocate::<Callback>;
    let _: Truncate = Engine::ftruncate::<Callback>;
    let _: SyncRange = Engine::sync_file_range::<Callback>;
}

#[test]
fn buffers_and_handles_have_every_method() {
    let _: fn(&Buffer) -> &[u8] = Buffer::as_slice;
    let _: fn(&mut Buffer) -> &mut [u8] = Buffer::as_mut_slice;
    let _: fn(&Buffer) -> *const u8 = Buffer::as_ptr;
    let _: fn(&mut Buffer) -> *mut u8 = Buffer::as_mut_ptr;
    let _: fn(&Buffer) -> usize = Buffer::len;
    let _: fn(&Buffer) -> bool = Buffer::is_empty;
    let _: fn(&Buffer) -> BufferRef = Buffer::to_ref;
    let _: unsafe fn(*mut c_void) -> BufferRef = BufferRef::from_ptr;
    let _: unsafe fn(&[u8]) -> BufferRef = BufferRef::from_slice;
    let _: unsafe fn(&mut [u8]) -> BufferRef = BufferRef::from_mut_slice;
    let _: fn(i32, usize) -> BufferRef = BufferRef::fixed;
    let _: fn(i32) -> BufferRef = BufferRef::fixed_index;
    let _: unsafe fn(&RequestHandle) -> bool = RequestHandle::is_pending;
    let _: unsafe fn(&RequestHandle) -> RawFd = RequestHandle::fd;
    let _: unsafe fn(&RequestHandle) -> i32 = RequestHandle::op_type;
    let _: unsafe fn(&RequestHandle) -> *mut c_void = RequestHandle::user_data;
}

#[test]
fn statistics_have_every_method() {
    let _: [fn(&Stats) -> i64; 2] = [Stats::ops_completed, Stats::bytes_transferred];
    let _: [fn(&Stats) -> f64; 2] = [Stats::throughput_bps, Stats::p99_latency_ms];
    let _: [fn(&Stats) -> i32; 4] = [
        Stats::current_in_flight,
        Stats::optimal_in_flight,
        Stats::optimal_batch_size,
        Stats::peak_in_flight,
    ];
    let _: fn(&Stats) -> u64 = Stats::adaptive_spills;
    let _: [fn(&RingStats) -> i64; 2] = [RingStats::ops_completed, RingStats::bytes_transferred];
    let _: [fn(&RingStats) -> i32; 6] = [
        RingStats::pending_count,
        RingStats::peak_in_flight,
        RingStats::in_flight_limit,
        RingStats::batch_threshold,
        RingStats::aimd_phase,
        RingStats::queue_depth,
    ];
    let _: [fn(&RingStats) -> f64; 2] = [RingStats::p99_latency_ms, RingStats::throughput_bps];
    let _: fn(&RingStats) -> &'static str = RingStats::aimd_phase_name;
    let _: fn(&Histogram, usize) -> u32 = Histogram::bucket;
    let _: [fn(&Histogram) -> u32; 2] = [Histogram::overflow, Histogram::total_count];
    let _: fn(&Histogram) -> i32 = Histogram::max_tracked_us;
    let _: [fn(&Histogram, usize) -> i32; 2] =
        [Histogram::bucket_lower_us, Histogram::bucket_upper_us];
    let _: fn(&Histogram, f64) -> Option<f64> = Histogram::percentile;
    let _: [fn(&BufferStats) -> usize; 2] =
        [BufferStats::total_allocated_bytes, BufferStats::total_buffers];
    let _: fn(&BufferStats) -> i32 = BufferStats::shard_count;
}

#[test]
fn errors_logging_and_versions_are_those_of_the_reference() {
    let _: fn(i32) -> Error = Error::from_raw_os_error;
    let kernel = || io::Error::from_raw_os_error(libc::EIO);
    for error in [
        Error::Io(kernel()),
        Error::EngineCreate(kernel()),
        Error::BufferAlloc(kernel()),
        Error::Submission(kernel()),
        Error::Cancelled,
        Error::InvalidArgument("why"),
    ] {
        assert!(!error.to_string().is_empty());
    }
    assert!(matches!(Error::from_raw_os_error(libc::ECANCELED), Error::Cancelled));
    assert!(matches!(Error::from_raw_os_error(libc::ENOENT), Error::Io(_)));
    let _: fn() -> bool = aura::in_callback_context;
    let _: fn() = aura::clear_log_handler;
    let _: fn(LogLevel, &str) = aura::log_emit;
    let _: fn(fn(LogLevel, &str)) = aura::set_log_handler;
    let _: fn(LogLevel) -> &'static str = LogLevel::name;
    use LogLevel::{Debug, Error as Err, Info, Notice, Warning};
    assert_eq!([Err, Warning, Notice, Info, Debug].map(|level| level as i32), [3, 4, 5, 6, 7]);
    assert_eq!((LogLevel::Error.name(), LogLevel::Warning.name()), ("ERR", "WARN"));
    assert_eq!((aura::version(), aura::version_int()), ("0.5.0", 500));
}

/// As a user writes it with the reference at hand.
#[test]
fn code_written_from_the_reference_compiles_and_works() -> Result<()> {
    use std::os::fd::AsRawFd;
    let file = crate::common::file_with(&[3; 4096]);
    let opts = Options::new().queue_depth(512).ring_count(4).enable_sqpoll(false);
    let engine = Engine::with_options(&opts)?;
    let mut buf = engine.allocate_buffer(4096)?;
    let (by_ref, by_mut): (BufferRef, BufferRef) = ((&buf).into(), (&mut buf).into());
    assert_eq!(format!("{by_ref:?}"), format!("{by_mut:?}"));
    let request = unsafe {
        // SAFETY: `buf` lives until the operation has completed.
        engine.read(file.as_raw_fd(), (&buf).into(), 4096, 0, |result| match result {
            Ok(bytes) => assert_eq!(bytes, 4096),
            Err(Error::Cancelled) => unreachable!("nobody cancels"),
            Err(error) => panic!("{error}"),
        })?
    };
    // SAFETY: none needed.
    assert_eq!(unsafe { (request.is_pending(), request.fd()) }, (true, file.as_raw_fd()));
    // SAFETY: none needed.
    assert_eq!(unsafe { (request.op_type(), request.user_data()) }, (0, std::ptr::null_mut()));
    engine.wait(-1)?;
    assert!(buf.as_slice().iter().all(|byte| *byte == 3));
    assert_eq!(engine.stats()?.callback_panics(), 0);
    Ok(())
}
