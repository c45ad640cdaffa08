//! Who makes futures move: somebody has to process completions.
//!
//! | driver | for |
//! | --- | --- |
//! | [`block_on`] | programs without a runtime, and the fastest: one thread does it all |
//! | [`Poller`] | any executor: a thread that does nothing else |
//! | `TokioDriver` | programs on tokio, without another thread |

mod alarm;
mod block_on;
mod poller;
#[cfg(feature = "tokio")]
mod tokio;

pub use block_on::block_on;
pub use poller::Poller;

#[cfg(feature = "tokio")]
pub use self::tokio::TokioDriver;
