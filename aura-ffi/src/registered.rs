//! Registered buffers and files.

use libc::{c_int, c_uint, iovec};

use crate::errno::{Refusal, give, required};
use crate::header::{AURA_REG_BUFFERS, AURA_REG_FILES, aura_engine_t, aura_reg_type_t};
use crate::names;

/// An array of the caller's. Longer than anything can be registered is not looked into.
///
/// # Safety
///
/// `first` is null, or points to `count` values.
unsafe fn array<'a, T>(first: *const T, count: c_uint) -> Result<&'a [T], Refusal> {
    const MOST: c_uint = 1 << 16;
    let first = required(first, "the array is NULL")?;
    if count == 0 || count > MOST || !first.is_aligned() {
        return Err(Refusal::invalid("the array is empty, or longer than can be registered"));
    }
    // SAFETY: by contract.
    Ok(unsafe { std::slice::from_raw_parts(first.as_ptr(), count as usize) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn aura_register_buffers(
    engine: *mut aura_engine_t,
    iovs: *const iovec,
    count: c_uint,
) -> c_int {
    let registered = names::find(engine).and_then(|engine| {
        // SAFETY: the caller's word, also for how long the memory stays.
        unsafe { engine.register_buffers(array(iovs, count)?)? };
        Ok(0)
    });
    give(registered)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn aura_register_files(
    engine: *mut aura_engine_t,
    fds: *const c_int,
    count: c_uint,
) -> c_int {
    let registered = names::find(engine).and_then(|engine| {
        // SAFETY: the caller's word.
        engine.register_files(unsafe { array(fds, count)? })?;
        Ok(0)
    });
    give(registered)
}

#[unsafe(no_mangle)]
pub extern "C" fn aura_update_file(engine: *mut aura_engine_t, index: c_int, fd: c_int) -> c_int {
    give(names::find(engine).and_then(|engine| Ok(engine.update_file(index, fd)?)).map(|()| 0))
}

#[unsafe(no_mangle)]
pub extern "C" fn aura_unregister(engine: *mut aura_engine_t, type_: aura_reg_type_t) -> c_int {
    let unregistered = names::find(engine).and_then(|engine| {
        match type_ {
            AURA_REG_BUFFERS => {
                let _alive = engine.sleeping();
                engine.processing(|engine| engine.unregister_buffers())?;
            }
            AURA_REG_FILES => {
                let _alive = engine.sleeping();
                engine.processing(|engine| engine.unregister_files())?;
            }
            _ => return Err(NO_TYPE),
        }
        Ok(0)
    });
    give(unregistered)
}

#[unsafe(no_mangle)]
pub extern "C" fn aura_request_unregister(
    engine: *mut aura_engine_t,
    type_: aura_reg_type_t,
) -> c_int {
    let requested = names::find(engine).and_then(|engine| {
        match type_ {
            AURA_REG_BUFFERS => engine.request_unregister_buffers()?,
            AURA_REG_FILES => engine.request_unregister_files()?,
            _ => return Err(NO_TYPE),
        }
        Ok(0)
    });
    give(requested)
}

const NO_TYPE: Refusal = Refusal::invalid("type is no AURA_REG_*");
