//! Calls on the thread that processes completions: when there is room again, and for any other reason.

use std::ffi::c_void;
use std::sync::Arc;
use std::task::{Wake, Waker};

use libc::c_int;

use crate::errno::{Refusal, give};
use crate::header::{aura_engine_t, aura_post_fn, aura_room_fn};
use crate::names;

/// What is called.
struct Call {
    call: unsafe extern "C-unwind" fn(*mut c_void),
    user_data: *mut c_void,
}

// SAFETY: the header says on which thread it is called; what `user_data` means is the caller's.
unsafe impl Send for Call {}
// SAFETY: as above; nothing in it changes.
unsafe impl Sync for Call {}

impl Call {
    /// The function as the engine takes it. `aura_room_fn` and `aura_post_fn` are one type.
    fn waker(call: aura_room_fn, user_data: *mut c_void) -> Result<Waker, Refusal> {
        let call = call.ok_or(Refusal::invalid("there is nothing to call"))?;
        Ok(Waker::from(Arc::new(Self { call, user_data })))
    }
}

impl Wake for Call {
    fn wake(self: Arc<Self>) {
        // SAFETY: the caller's word that this is a function of the type in the header.
        unsafe { (self.call)(self.user_data) };
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn aura_when_room(
    engine: *mut aura_engine_t,
    call: aura_room_fn,
    user_data: *mut c_void,
) -> c_int {
    let asked =
        names::find(engine).and_then(|engine| Ok(engine.when_room(Call::waker(call, user_data)?)?));
    give(asked.map(|waits| c_int::from(!waits)))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn aura_post(
    engine: *mut aura_engine_t,
    call: aura_post_fn,
    user_data: *mut c_void,
) -> c_int {
    let posted = names::find(engine).and_then(|engine| {
        engine.post(Call::waker(call, user_data)?)?;
        Ok(0)
    });
    give(posted)
}
