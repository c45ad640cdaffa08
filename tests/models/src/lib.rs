//! Models of the lock-free parts: the very source files of `aura-engine` and `aura`, compiled over
//! loom's atomics, mutexes and threads, and run in every order that two or three threads could take.
//!
//! A model plays what surrounds the part (the queue of a ring, the kernel's sleep) in as few steps as
//! there are. Each returns if the promise holds in every order, and panics at the first in which it
//! does not. `primitive::weaken` makes the same files run with weaker orderings than they ask for, which
//! proves that the models would notice.
//!
//! | model | part | promise |
//! | --- | --- | --- |
//! | `attention` | `aura-engine/src/attention.rs` | no operation stays queued while the poller sleeps, and a poller that is deaf to its ring is woken |
//! | `gate` | `aura-engine/src/gate.rs` | one thread inside, every waiter gets in, no note is lost |
//! | `flag` | `aura-engine/src/flag.rs` | a flag that is set ends the sleep, and shows what came before |
//! | `word` | `aura-engine/src/awaited/node.rs` | cargo goes to the future or is freed, once, whoever comes first |
//! | `bell` | `aura/src/tasks/bell.rs` | a bell that is not found rung has woken the task |
//! | `windows` | `aura-histogram/src/histogram.rs` and what it uses | a closed window is seen whole, a maximum with its sample |
//! | `ends` | `aura-bufpool/src/life.rs` and `cache.rs` | a pool ends once, with the last of its handles, buffers and threads |
//! | `publication` | `aura-ffi/src/entry.rs` | a name that is found leads to its engine, made whole, which one thread ends |

// The files' own tests need more than is here; they run where the files live.
#![cfg(not(test))]

pub mod models;
pub mod primitive;

// What the files know of their crates.
mod lock;
mod tenant;

/// As in `aura-engine`, without the handle.
#[derive(Clone, Copy, Debug)]
pub struct Completion {
    /// What the kernel said.
    pub result: i32,
}

#[allow(dead_code, reason = "models use a part of it")]
#[path = "../../../crates/aura-engine/src/attention.rs"]
mod attention;
#[allow(dead_code, unreachable_pub, reason = "models use a part of it")]
#[path = "../../../crates/aura-engine/src/flag.rs"]
mod flag;
#[allow(dead_code, reason = "models use a part of it")]
#[path = "../../../crates/aura-engine/src/gate.rs"]
mod gate;

mod awaited {
    //! The word of a slot, with the cargo's trait as in `aura-engine`.

    pub(crate) trait Cargo: Send + 'static {
        type Keeper: Send + Sync + 'static;
        fn abandoned(self, result: i32);
    }

    #[allow(dead_code, reason = "models use a part of it")]
    #[path = "../../../../crates/aura-engine/src/awaited/node.rs"]
    mod node;
    pub(crate) mod word;
}

mod histogram {
    //! A histogram with two slots.

    use crate::primitive;

    #[allow(dead_code, reason = "models use a part of it")]
    #[path = "../../../../crates/aura-histogram/src/counters.rs"]
    mod counters;
    #[allow(dead_code, unreachable_pub, reason = "models use a part of it")]
    #[path = "../../../../crates/aura-histogram/src/histogram.rs"]
    #[allow(clippy::module_inception, reason = "the name of the file")]
    mod histogram;
    mod layout;
    #[allow(dead_code, unreachable_pub, reason = "models use a part of it")]
    #[path = "../../../../crates/aura-histogram/src/snapshot.rs"]
    mod snapshot;
    #[allow(dead_code, reason = "models use a part of it")]
    #[path = "../../../../crates/aura-histogram/src/totals.rs"]
    mod totals;
    pub(crate) mod windows;

    use snapshot::Snapshot;
}

mod names {
    //! The table of names of the C interface.

    use crate::primitive;

    #[path = "../../../../aura-ffi/src/entry.rs"]
    mod entry;
    pub(crate) mod publication;
}

mod pool {
    //! How a pool of buffers ends.

    use crate::primitive;

    #[allow(dead_code, reason = "models use a part of it")]
    #[path = "../../../../crates/aura-bufpool/src/cache.rs"]
    mod cache;
    mod class;
    #[allow(dead_code, unreachable_pub, reason = "models use a part of it")]
    #[path = "../../../../crates/aura-bufpool/src/counters.rs"]
    mod counters;
    mod depot;
    pub(crate) mod ends;
    #[allow(dead_code, unreachable_pub, reason = "models use a part of it")]
    #[path = "../../../../crates/aura-bufpool/src/error.rs"]
    mod error;
    #[allow(dead_code, reason = "models use a part of it")]
    #[path = "../../../../crates/aura-bufpool/src/life.rs"]
    mod life;
    mod tls;
}

mod tasks {
    //! A set of futures, as far as its bells go.

    use crate::primitive;

    #[allow(dead_code, reason = "models use a part of it")]
    #[path = "../../../../aura/src/tasks/bell.rs"]
    mod bell;
    pub(crate) mod ringing;
}
