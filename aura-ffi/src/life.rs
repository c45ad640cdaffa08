//! The beginning and the end of an engine.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aura_engine::log::{Level, emit};
use aura_engine::{Config, Engine};

use crate::errno::{Refusal, give, set};
use crate::header::{aura_engine_t, aura_options_t};
use crate::names;
use crate::options;

#[unsafe(no_mangle)]
pub extern "C" fn aura_create() -> *mut aura_engine_t {
    give(create(&Config::default()))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn aura_create_with_options(
    options: *const aura_options_t,
) -> *mut aura_engine_t {
    // SAFETY: the caller's word.
    give(unsafe { options::read(options) }.and_then(|config| create(&config)))
}

/// What is said before the process is ended, because an exception left a callback or an invariant
/// of ours does not hold: to the log handler, and to stderr in case there is none.
#[cfg(panic = "abort")]
fn explain_aborts() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(|why| {
            let payload = why.payload();
            let text = payload.downcast_ref::<&str>().copied();
            let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
            let text = match text {
                Some("panic in a function that cannot unwind") => "an exception left a callback",
                Some(text) => text,
                None => "unknown",
            };
            emit(Level::Error, format_args!("fatal: {text}; the process is ended"));
            eprintln!("libaura: fatal: {text}; the process is ended");
        }));
    });
}

fn create(config: &Config) -> Result<*mut aura_engine_t, Refusal> {
    #[cfg(panic = "abort")]
    explain_aborts();
    match Engine::create(config) {
        Ok(engine) => Ok(names::enter(engine)),
        Err(error) => {
            // The number says little about what is wrong with the machine, and what to do.
            emit(Level::Error, format_args!("the engine could not be created: {error}"));
            Err(Refusal::told(error.errno()))
        }
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn aura_destroy(engine: *mut aura_engine_t) {
    if engine.is_null() {
        return;
    }
    let refused = "aura_destroy: this engine was destroyed before, or never was one";
    let Some(engine) = names::find(engine).ok().filter(names::Engine::begin_ending) else {
        emit(Level::Error, format_args!("{refused}"));
        set(libc::EINVAL);
        return;
    };
    if engine.end_when_processed() {
        // The callback runs on the engine's own structures. The call that runs it ends it.
        engine.shutdown(); // In a callback this refuses new operations, and no more.
        engine.stop();
    } else {
        end(engine);
    }
}

/// Ends an engine. What is in flight is delivered while it has its name; what cannot be is given up by
/// the drop.
#[cold]
pub(crate) fn end(engine: names::Engine) {
    /// How long another thread that sleeps in the engine has to leave it.
    const LEAVE: Duration = Duration::from_millis(200);
    engine.processing(Engine::shutdown);
    let held = engine.sleeping();
    let is_used = || Arc::strong_count(&held) > 2; // This count, and the name's.
    let deadline = Instant::now() + LEAVE;
    while is_used() && Instant::now() < deadline {
        // Against the contract somebody sleeps in it. Whoever leaves last drops it.
        held.stop();
        std::thread::sleep(Duration::from_millis(1));
    }
    if !is_used() {
        // SAFETY: nobody sleeps in it; and the header demands that other threads are joined first.
        engine.processing(|engine| unsafe { engine.shutdown_for_owner() });
    }
    drop(held);
    // SAFETY: `begin_ending` let one caller through.
    drop(unsafe { engine.withdraw() });
}
