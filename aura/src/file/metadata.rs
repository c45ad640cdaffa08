//! What a file system says about a file.

use std::time::{Duration, SystemTime};

/// Metadata of a file, as `statx` gives it.
///
/// ```
/// # let engine = aura::Engine::new()?;
/// let file = aura::File::from_std(&engine, std::fs::File::open("/proc/self/exe").unwrap());
/// let metadata = aura::block_on(&engine, file.metadata())?;
/// assert!(metadata.is_file() && metadata.len() > 1000);
/// # Ok::<(), aura::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Metadata {
    statx: libc::statx,
}

impl Metadata {
    pub(crate) fn new(statx: libc::statx) -> Self {
        Self { statx }
    }

    /// Everything, as the kernel wrote it. `stx_mask` says which fields hold something.
    #[must_use]
    pub fn statx(&self) -> &libc::statx {
        &self.statx
    }

    /// The length in bytes.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "as in std: a file is no collection")]
    pub fn len(&self) -> u64 {
        self.statx.stx_size
    }

    fn is(&self, kind: libc::mode_t) -> bool {
        libc::mode_t::from(self.statx.stx_mode) & libc::S_IFMT == kind
    }

    /// Whether it is a regular file.
    #[must_use]
    pub fn is_file(&self) -> bool {
        self.is(libc::S_IFREG)
    }

    /// Whether it is a directory.
    #[must_use]
    pub fn is_dir(&self) -> bool {
        self.is(libc::S_IFDIR)
    }

    /// The permission bits, as `chmod` takes them.
    #[must_use]
    pub fn mode(&self) -> u32 {
        u32::from(self.statx.stx_mode) & 0o7777
    }

    /// How much space it takes on the device, in bytes. Less than its length if it has holes.
    #[must_use]
    pub fn allocated(&self) -> u64 {
        self.statx.stx_blocks * 512
    }

    /// When its contents last changed. `None` if the file system does not say.
    #[must_use]
    pub fn modified(&self) -> Option<SystemTime> {
        self.time(libc::STATX_MTIME, &self.statx.stx_mtime)
    }

    /// When it was last read, as far as the file system cares to know.
    #[must_use]
    pub fn accessed(&self) -> Option<SystemTime> {
        self.time(libc::STATX_ATIME, &self.statx.stx_atime)
    }

    /// When it was created. `None` if the file system does not say.
    #[must_use]
    pub fn created(&self) -> Option<SystemTime> {
        self.time(libc::STATX_BTIME, &self.statx.stx_btime)
    }

    fn time(&self, field: u32, stamp: &libc::statx_timestamp) -> Option<SystemTime> {
        if self.statx.stx_mask & field == 0 {
            return None;
        }
        let seconds = Duration::from_secs(stamp.tv_sec.unsigned_abs());
        let whole = if stamp.tv_sec < 0 {
            SystemTime::UNIX_EPOCH.checked_sub(seconds)
        } else {
            SystemTime::UNIX_EPOCH.checked_add(seconds)
        };
        whole?.checked_add(Duration::from_nanos(stamp.tv_nsec.into()))
    }
}

impl std::fmt::Debug for Metadata {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metadata")
            .field("len", &self.len())
            .field("mode", &format_args!("{:o}", self.statx.stx_mode))
            .field("modified", &self.modified())
            .finish_non_exhaustive()
    }
}
