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

mod tasks {
    //! A set of futures, as far as its bells go.

    use crate::primitive;

    #[allow(dead_code, reason = "models use a part of it")]
    #[path = "../../../../aura/src/tasks/bell.rs"]
    mod bell;
    pub(crate) mod ringing;
}
