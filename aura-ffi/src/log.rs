//! The log handler of C programs.
//!
//! # Synchronization
//!
//! The engine keeps the handler, and lets go of it when the last message that it is delivering has
//! been delivered. `CURRENT` holds a share of it, so that whoever replaces it can wait until
//! nobody else has one: then no thread is inside the old handler any more.

use std::cell::Cell;
use std::ffi::{CStr, CString, c_char, c_void};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aura_engine::log::{Level, clear_handler, emit, set_handler};
use libc::c_int;

use crate::header::{AURA_LOG_DEBUG, AURA_LOG_ERR, aura_log_fn};

type Call = unsafe extern "C-unwind" fn(c_int, *const c_char, *mut c_void);

struct Handler {
    call: Call,
    userdata: *mut c_void,
}

// SAFETY: the header says that the handler is called on any thread; `userdata` is its own affair.
unsafe impl Send for Handler {}
// SAFETY: as above.
unsafe impl Sync for Handler {}

static CURRENT: Mutex<Option<Arc<Handler>>> = Mutex::new(None);
/// Whether there is one, for a quick look.
static IS_SET: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// This thread is inside a handler.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

#[unsafe(no_mangle)]
pub extern "C" fn aura_set_log_handler(handler: aura_log_fn, userdata: *mut c_void) {
    replace(handler.map(|call| Handler { call, userdata }), |_| true);
}

/// Sets a handler of the library's own.
pub(crate) fn install(call: Call, userdata: *mut c_void) {
    replace(Some(Handler { call, userdata }), |_| true);
}

/// Removes the handler that was set with this user data, if it is still the one.
pub(crate) fn clear_if(userdata: *mut c_void) {
    replace(None, |current| current.userdata == userdata);
}

/// Replaces the handler if the present one (if any) is such, and waits until nobody is inside it.
fn replace(new: Option<Handler>, is_such: impl FnOnce(&Handler) -> bool) {
    let new = new.map(Arc::new);
    let old = {
        let mut current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
        if current.as_deref().is_some_and(|current| !is_such(current)) {
            return;
        }
        match &new {
            Some(new) => {
                let new = Arc::clone(new);
                set_handler(move |level, message| new.deliver(level, message));
            }
            None => clear_handler(),
        }
        IS_SET.store(new.is_some(), Ordering::Relaxed);
        std::mem::replace(&mut *current, new)
    };
    // Inside a handler, that handler would wait for itself.
    let Some(old) = old.filter(|_| !INSIDE.get()) else { return };
    while Arc::strong_count(&old) > 1 {
        std::thread::sleep(Duration::from_micros(50));
    }
}

impl Handler {
    fn deliver(&self, level: Level, message: &str) {
        // A C string ends at the first NUL. None of ours has one.
        let message = CString::new(message).unwrap_or_else(|error| {
            let end = error.nul_position();
            CString::new(&error.into_vec()[..end]).unwrap_or_default()
        });
        INSIDE.set(true);
        // SAFETY: the caller's word when the handler was set.
        unsafe { (self.call)(level as c_int, message.as_ptr(), self.userdata) };
        INSIDE.set(false);
    }
}

/// For the shim: whether a message would reach anybody.
#[unsafe(no_mangle)]
extern "C" fn aura_ffi_log_is_heard() -> bool {
    IS_SET.load(Ordering::Relaxed)
}

/// For the shim: delivers a formatted message.
#[unsafe(no_mangle)]
unsafe extern "C" fn aura_ffi_log_deliver(level: c_int, message: *const c_char) {
    let level = Level::from_i32(level.clamp(AURA_LOG_ERR, AURA_LOG_DEBUG)).unwrap_or(Level::Error);
    // SAFETY: the shim passes a string.
    let message = unsafe { CStr::from_ptr(message) };
    emit(level, format_args!("{}", message.to_string_lossy()));
}
