//! The real `libaura.so`, driven through the bindings as a C program drives it through the header.
//!
//! Without a library to link there is one skip; `cargo xtask library abi` builds one and runs these.

#[cfg(not(aura_found))]
#[test]
fn the_library_is_driven_through_the_bindings() {
    eprintln!("SKIP: no libaura to link: cargo xtask library abi builds one");
}

#[cfg(aura_found)]
mod with_the_library {
    use std::ffi::{CStr, c_void};
    use std::io::Write;
    use std::mem::MaybeUninit;
    use std::os::fd::AsRawFd;
    use std::ptr::null_mut;

    use aura_sys::*;

    fn errno() -> i32 {
        std::io::Error::last_os_error().raw_os_error().expect("of the system")
    }

    fn engine(rings: i32) -> *mut aura_engine_t {
        // SAFETY: `aura_options_init` fills the struct in.
        unsafe {
            let mut options = MaybeUninit::uninit();
            aura_options_init(options.as_mut_ptr());
            let mut options = options.assume_init();
            options.ring_count = rings;
            options.queue_depth = 64;
            let engine = aura_create_with_options(&raw const options);
            assert!(!engine.is_null(), "{}", errno());
            engine
        }
    }

    unsafe extern "C-unwind" fn hear(
        _req: *mut aura_request_t,
        result: isize,
        user_data: *mut c_void,
    ) {
        // SAFETY: every caller passes a place for the result that outlives the operation.
        unsafe { *user_data.cast::<isize>() = result };
    }

    #[test]
    fn header_and_library_are_of_one_version() {
        // SAFETY: a static string.
        let version = unsafe { CStr::from_ptr(aura_version()) };
        assert_eq!(version.to_bytes_with_nul(), AURA_VERSION_STRING);
        // SAFETY: no preconditions.
        assert_eq!(unsafe { aura_version_int() }, AURA_VERSION);
    }

    #[test]
    fn inline_helpers_have_symbols_that_do_the_same() {
        let mut byte = 0u8;
        // SAFETY: only numbers are passed around; the members read go with the types.
        unsafe {
            let plain = aura_buf((&raw mut byte).cast());
            assert_eq!((plain.type_, plain.u.ptr), (AURA_BUF_UNREGISTERED, (&raw mut byte).cast()));
            let fixed = aura_buf_fixed(3, 17);
            assert_eq!(fixed.type_, AURA_BUF_REGISTERED);
            assert_eq!((fixed.u.fixed.index, fixed.u.fixed.offset), (3, 17));
            let none = aura_buf_fixed(-1, 17);
            assert_eq!((none.type_, none.u.ptr), (AURA_BUF_UNREGISTERED, null_mut()));
            let start = aura_buf_fixed_idx(2);
            assert_eq!((start.u.fixed.index, start.u.fixed.offset), (2, 0));
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let file = tempfile::tempfile().unwrap();
        let engine = engine(2);
        let text = *b"through the C interface";
        let mut found = [0u8; 23];
        let (mut written, mut read) = (0isize, 0isize);
        // SAFETY: memory and results outlive the operations, which are waited for.
        unsafe {
            let memory = aura_buf(text.as_ptr().cast_mut().cast());
            let place = (&raw mut written).cast();
            let request =
                aura_write(engine, file.as_raw_fd(), memory, text.len(), 10, Some(hear), place);
            assert!(!request.is_null(), "{}", errno());
            assert_eq!(aura_drain(engine, -1), 1);
            assert!(!aura_request_pending(request));
            assert_eq!(aura_cancel(engine, request), -1);
            assert_eq!(errno(), libc::EALREADY);
            let memory = aura_buf(found.as_mut_ptr().cast());
            let place = (&raw mut read).cast();
            aura_read(engine, file.as_raw_fd(), memory, found.len(), 10, Some(hear), place);
            assert_eq!(aura_wait(engine, -1), 1);
            aura_destroy(engine);
        }
        assert_eq!((written, read), (23, 23));
        assert_eq!(found, text);
    }

    #[test]
    fn statistics_arrive_in_the_right_fields() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[7; 4096]).unwrap();
        let engine = engine(1);
        let mut memory = [0u8; 4096];
        let mut result = 0isize;
        // SAFETY: as above; the structs are filled in by the calls that say so.
        unsafe {
            let buffer = aura_buf(memory.as_mut_ptr().cast());
            let place = (&raw mut result).cast();
            aura_read(engine, file.as_raw_fd(), buffer, 4096, 0, Some(hear), place);
            assert_eq!(aura_drain(engine, -1), 1);
            let mut stats = MaybeUninit::<aura_stats_t>::zeroed().assume_init();
            assert_eq!(aura_get_stats(engine, &raw mut stats, size_of_val(&stats)), 0);
            assert_eq!((stats.ops_completed, stats.bytes_transferred), (1, 4096));
            assert_eq!((stats.current_in_flight, stats.peak_in_flight), (0, 1));
            let mut histogram = MaybeUninit::<aura_histogram_t>::zeroed().assume_init();
            let size = size_of_val(&histogram);
            assert_eq!(aura_get_histogram(engine, 0, &raw mut histogram, size), 0);
            assert_eq!(histogram.total_count, 1);
            assert_eq!(histogram.tier_start_us, [0, 1_000, 5_000, 20_000]);
            assert!(aura_histogram_percentile(&raw const histogram, 50.0) > 0.0);
            aura_destroy(engine);
        }
    }

    #[test]
    fn no_engine_is_no_crash() {
        // SAFETY: names that are none are recognised; that is what this is about.
        unsafe {
            let mut byte = 0u8;
            let memory = aura_buf((&raw mut byte).cast());
            for bits in [0usize, 8, usize::MAX, 0x5a00_1234_5678_1230] {
                let none = std::ptr::without_provenance_mut(bits);
                assert!(aura_read(none, 0, memory, 1, 0, Some(hear), null_mut()).is_null());
                assert_eq!(errno(), libc::EINVAL);
                assert_eq!(aura_poll(none), -1);
                assert_eq!(aura_get_ring_count(none), 0);
            }
        }
    }
}
