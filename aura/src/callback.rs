//! From what the engine says to what a callback hears.

use aura_engine::Completion;

use crate::error::{Error, Result};

/// Bytes (or a descriptor) on success, the kernel's error otherwise.
pub(crate) fn outcome(result: i32) -> Result<usize> {
    usize::try_from(result).map_err(|_| Error::from_raw_os_error(result.wrapping_neg()))
}

/// The callback as the engine calls it.
pub(crate) fn adapt<F>(callback: F) -> impl FnOnce(Completion) + Send + 'static
where
    F: FnOnce(Result<usize>) + Send + 'static,
{
    move |completion: Completion| callback(outcome(completion.result))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_become_values_or_errors() {
        assert_eq!(outcome(0).unwrap(), 0);
        assert_eq!(outcome(4096).unwrap(), 4096);
        assert!(matches!(outcome(-libc::ECANCELED), Err(Error::Cancelled)));
        assert_eq!(outcome(-libc::EIO).unwrap_err().errno(), libc::EIO);
        assert!(outcome(i32::MIN).is_err());
    }
}
