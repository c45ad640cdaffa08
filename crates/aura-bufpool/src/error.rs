//! What can go wrong: creating a pool, taking a buffer, giving one back.

use std::{error, fmt, io};

use super::class::{MAX_ALIGNMENT, MAX_BUFFER_BYTES};

/// Why a pool could not be created.
#[derive(Debug)]
#[non_exhaustive]
pub enum CreateError {
    /// The alignment is zero, not a power of two, or above [`MAX_ALIGNMENT`].
    Alignment(usize),
    /// The shard count is not a power of two in `2..=256`.
    Shards(usize),
    /// The kernel refused even the smallest range of addresses (`RLIMIT_AS`, most likely).
    Reserve(io::Error),
}

/// Why no buffer was handed out. The pool is unchanged.
#[derive(Debug)]
#[non_exhaustive]
pub enum AllocError {
    /// A buffer of no bytes was asked for.
    ZeroSize,
    /// The request exceeds the largest buffer.
    TooLarge {
        /// Bytes asked for.
        size: usize,
        /// Bytes that can be had: [`MAX_BUFFER_BYTES`].
        max: usize,
    },
    /// The pool's addresses are used up, or the kernel refused memory, even after every wholly free
    /// slab was given back.
    OutOfMemory(io::Error),
}

/// Why a pointer was not accepted by [`Pool::free`](crate::Pool::free). The pool is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FreeError {
    /// Not the start of a buffer of this pool. Pointers into a slab that went back to the system in
    /// the meantime are of this kind too.
    Foreign,
    /// The buffer is free already.
    DoubleFree,
    /// The buffer belongs to a [`PoolBuffer`](crate::PoolBuffer), which alone may give it back.
    Owned,
}

impl fmt::Display for CreateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alignment(bytes) => {
                write!(f, "alignment {bytes} is not a power of two in 1..={MAX_ALIGNMENT}")
            }
            Self::Shards(count) => write!(f, "{count} shards: not a power of two in 2..=256"),
            Self::Reserve(error) => write!(f, "no address space for the pool: {error}"),
        }
    }
}

impl error::Error for CreateError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Reserve(error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for AllocError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ZeroSize => f.write_str("a buffer of zero bytes was asked for"),
            Self::TooLarge { size, max } => {
                write!(f, "{size} bytes exceed the largest buffer of {max} bytes")
            }
            Self::OutOfMemory(error) => write!(f, "no memory for a buffer: {error}"),
        }
    }
}

impl error::Error for AllocError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::OutOfMemory(error) => Some(error),
            _ => None,
        }
    }
}

impl AllocError {
    /// Tells the two argument errors apart once the fast range check has failed.
    #[cold]
    pub(crate) fn of_size(size: usize) -> Self {
        if size == 0 { Self::ZeroSize } else { Self::TooLarge { size, max: MAX_BUFFER_BYTES } }
    }
}

impl From<AllocError> for io::Error {
    /// `InvalidInput` for the argument errors, the kernel's own error otherwise.
    fn from(error: AllocError) -> Self {
        match error {
            AllocError::OutOfMemory(source) => source,
            other => Self::new(io::ErrorKind::InvalidInput, other),
        }
    }
}

impl fmt::Display for FreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Foreign => "the pointer is not the start of a buffer of this pool",
            Self::DoubleFree => "the buffer is free already",
            Self::Owned => "the buffer belongs to a PoolBuffer",
        })
    }
}

impl error::Error for FreeError {}
