//! The C library: building, installing, and its manual pages.
//!
//! | module | what lives there |
//! | --- | --- |
//! | `build` | libaura.so and libaura.a from the crate `aura-ffi` |
//! | `install` | laying down and removing a prefix |
//! | `header`, `man` | reading aura.h; manual pages from it |

pub(crate) mod build;
pub(crate) mod header;
pub(crate) mod install;
pub(crate) mod man;
