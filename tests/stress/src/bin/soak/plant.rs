//! Mistakes made on purpose, which the soak has to find: a test that cannot fail proves nothing.

use std::panic;

use clap::ValueEnum;

/// A mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Plant {
    /// A completion is not entered.
    LostCompletion,
    /// A completion is entered twice.
    DoubleCompletion,
    /// One bit of what was read is changed.
    WrongBit,
    /// A cancellation that nobody asked for.
    SpuriousCancel,
    /// Each shift leaves a descriptor open.
    Descriptor,
    /// Each shift leaves a buffer of the pool behind.
    Buffer,
    /// Each shift leaves memory behind.
    Memory,
}

/// What callbacks panic with that are told to.
#[derive(Debug)]
pub(crate) struct Planned;

/// Keeps panics that are part of the run off the terminal; others are shown as ever.
pub(crate) fn silence_planned_panics() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if info.payload().downcast_ref::<Planned>().is_none() {
            usual(info);
        }
    }));
}

/// What a shift leaves behind if it is told to.
pub(crate) fn leave_behind(plant: Option<Plant>, engine: &aura::Engine) {
    const LEFT_BYTES: usize = 1 << 20;
    match plant {
        Some(Plant::Descriptor) => {
            if let Ok(file) = std::fs::File::open("/dev/null") {
                std::mem::forget(file);
            }
        }
        Some(Plant::Buffer) => std::mem::forget(engine.allocate_buffer(4096)),
        // Not zeros: the system gives memory when it is touched.
        Some(Plant::Memory) => std::mem::forget(std::hint::black_box(vec![1_u8; LEFT_BYTES])),
        _ => {}
    }
}
