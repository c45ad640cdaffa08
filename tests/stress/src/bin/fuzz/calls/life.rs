//! Options, creating and destroying engines.

use aura_ffi::header::aura_options_t;
use aura_ffi::{
    aura_create, aura_create_with_options, aura_destroy, aura_get_ring_count, aura_options_init,
    aura_poll,
};
use aura_stress::random::Random;

use super::{bury, is_inside, pointer};
use crate::oracle::{May, call, name, show};
use crate::world::{self, Engine};

/// Engines alive at a time.
const ENGINES_MAX: usize = 3;
/// What may be missing for an engine: memory, descriptors.
const SHORTAGES: [i32; 3] = [libc::ENOMEM, libc::EMFILE, libc::ENFILE];
/// Room for options of a later version of the header.
const LONGER_BYTES: usize = 64;

/// Options as a longer struct, as a program of a later version has them.
#[repr(C)]
struct Longer {
    options: aura_options_t,
    beyond: [u8; LONGER_BYTES],
}

pub(super) fn create(random: &mut Random) {
    if world::with(|world| world.alive().len()) >= ENGINES_MAX {
        return destroy(random);
    }
    if random.one_in(8) {
        let (engine, answer) = call(|| aura_create(), |engine| engine.is_null());
        May::succeed().or(&SHORTAGES).check("aura_create()", answer);
        return remember(engine.addr(), false);
    }
    let mut longer = initialised();
    let (what, sense) = alter(&mut longer, random);
    let given = if what == "NULL" { std::ptr::null() } else { &raw const longer.options };
    // SAFETY: NULL, or options with as many bytes behind them as `struct_size` says, or one that is
    // refused for being too short.
    let create = || unsafe { aura_create_with_options(given) };
    let (engine, answer) = call(create, |engine| engine.is_null());
    sense.check(&format!("aura_create_with_options({what})"), answer);
    if !answer.failed {
        remember(engine.addr(), longer.options.single_thread);
    }
}

fn initialised() -> Longer {
    // SAFETY: all numbers and booleans, for which zeros are values.
    let mut longer: Longer = unsafe { std::mem::zeroed() };
    // SAFETY: room for the options, or NULL, which is ignored.
    unsafe {
        aura_options_init(std::ptr::null_mut());
        aura_options_init(&raw mut longer.options);
    }
    longer.options.ring_count = 1;
    longer.options.queue_depth = 16;
    longer
}

/// Sets some options, mostly to what makes sense; what was done, and how creation may answer.
fn alter(longer: &mut Longer, random: &mut Random) -> (String, May) {
    let fine = May::succeed().or(&SHORTAGES);
    let wrong = May::fail(&[libc::EINVAL]);
    let options = &mut longer.options;
    options.queue_depth = random.of(&[1, 2, 3, 8, 16, 64, 100]);
    options.ring_count = random.of(&[1, 1, 2, 3]);
    options.disable_adaptive = random.one_in(2);
    // Of a thread that stays: the name of one that ends may be another's later, and own the engine then.
    let stays = std::thread::current().name() == Some("main");
    options.single_thread = random.one_in(8) && stays;
    options.ring_select = random.below(3) as u32;
    options.enable_sqpoll = random.one_in(64);
    if !random.one_in(3) {
        let depth = options.queue_depth;
        return (format!("depth {depth}, {} rings", options.ring_count), fine);
    }
    let number = random.of(&[-1, i32::MIN, i32::MAX]);
    let what = match random.below(14) {
        0 => {
            options.queue_depth = random.of(&[0, -1, 32_769, i32::MAX, i32::MIN]);
            "queue_depth"
        }
        1 => {
            options.ring_count = random.of(&[-1, 1025, i32::MAX, i32::MIN]);
            "ring_count"
        }
        2 => {
            options.initial_in_flight = random.of(&[number, 257]);
            "initial_in_flight"
        }
        3 => {
            options.min_in_flight = random.of(&[number, 257]);
            "min_in_flight"
        }
        4 => {
            let wrong = [-1.0, f64::NAN, f64::INFINITY, f64::MAX, 1e-300];
            options.max_p99_latency_ms = random.of(&wrong);
            "max_p99_latency_ms"
        }
        5 => {
            options.buffer_alignment = random.of(&[3, 4097, usize::MAX, 1 << 31]);
            "buffer_alignment"
        }
        6 => {
            options.sqpoll_idle_ms = random.of(&[-1, i32::MIN]);
            "sqpoll_idle_ms"
        }
        7 => {
            options.ring_select = random.of(&[3, 77, u32::MAX]);
            "ring_select"
        }
        8 => {
            options._reserved[random.index(7)] = 1;
            "_reserved"
        }
        9 => {
            options.struct_size = random.of(&[0, 1, 7, usize::MAX, 4097]);
            "struct_size"
        }
        10 => return ("NULL".into(), wrong),
        11 => {
            options.struct_size = size_of::<Longer>();
            longer.beyond[random.index(LONGER_BYTES)] = 1;
            return ("longer, and not zero beyond".into(), May::fail(&[libc::E2BIG]));
        }
        12 => {
            options.struct_size = size_of::<Longer>();
            return ("longer".into(), fine);
        }
        _ => {
            options.struct_size = std::mem::offset_of!(aura_options_t, disable_adaptive);
            options.single_thread = false; // As the library takes it: by default.
            return ("shorter".into(), fine);
        }
    };
    // A struct that is too long to be one is refused as such.
    let wrong = if options.struct_size == size_of::<aura_options_t>() {
        wrong
    } else {
        wrong.or(&[libc::E2BIG])
    };
    (format!("wrong {what}"), wrong)
}

fn remember(name: usize, single_thread: bool) {
    let rings = aura_get_ring_count(pointer(name));
    // Whoever uses it first owns it, and refused calls may be a use or not. So it is used at once.
    let owner = single_thread.then(|| std::thread::current().id());
    aura_poll(pointer(name));
    let engine = Engine { name, single_thread, owner, rings, ..Engine::default() };
    world::with(|world| world.engines.push(engine));
}

pub(super) fn destroy(random: &mut Random) {
    let picked = world::with(|world| {
        let picked = world.pick_engine(random);
        if let Some(number) = picked.number {
            // Nothing that never ends is in flight then: that takes seconds, and has tests of its own.
            world.release_stuck();
            world.engines[number].ending = true;
        }
        picked
    });
    let what = format!("aura_destroy({:#x})", picked.name);
    show(|| format!("{what} …"));
    // It returns nothing: it has failed if errno says so.
    let ((), mut answer) = call(|| aura_destroy(pointer(picked.name)), |()| false);
    if picked.number.is_some() || picked.name == 0 {
        // In one of its callbacks it takes effect later.
        if let Some(number) = picked.number.filter(|&number| !is_inside(number)) {
            world::with(|world| bury(world, number));
        }
        return show(|| format!("{what} returns"));
    }
    answer.failed = answer.errno != 0;
    show(|| format!("{what}: {}", name(answer.errno)));
    May::fail(&[libc::EINVAL]).check(&what, answer);
}

/// Ends all engines that are left.
pub(crate) fn destroy_all() {
    loop {
        let next = world::with(|world| {
            world.release_stuck();
            let number = *world.alive().first()?;
            world.engines[number].ending = true;
            Some(world.engines[number].name)
        });
        let Some(name) = next else { return };
        show(|| format!("aura_destroy({name:#x}) at the end"));
        aura_destroy(pointer(name));
        super::settle();
    }
}
