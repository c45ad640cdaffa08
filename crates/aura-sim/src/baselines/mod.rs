//! Policies to compare with, written from their published descriptions.

mod gradient2;
mod limiter;
mod original;
mod vegas;

pub use gradient2::Gradient2;
pub use limiter::{Law, Limiter};
pub use original::Original;
pub use vegas::Vegas;
