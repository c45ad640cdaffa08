//! Opening files.
//!
//! This file is `unsafe` where it says that the path belongs to the operation.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use aura_engine::Op;

use crate::engine::Engine;
use crate::operation::Operation;
use crate::ops::{Open, Statx};

/// How to open a file: as [`std::fs::OpenOptions`], with direct I/O.
///
/// Without any access asked for, opening fails with `EINVAL`, as does truncating or creating
/// without writing.
///
/// ```
/// use aura::{Engine, OpenOptions};
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("log");
/// let engine = Engine::new()?;
/// aura::block_on(&engine, async {
///     let log = engine.open(&path, OpenOptions::new().write(true).create_new(true)).await?;
///     log.write_all_at("first line\n", 0).await?;
///     log.sync_data().await?;
///     log.close().await
/// })?;
/// assert_eq!(std::fs::read_to_string(&path).unwrap(), "first line\n");
/// # Ok::<(), aura::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct OpenOptions {
    read: bool,
    write: bool,
    append: bool,
    truncate: bool,
    create: bool,
    create_new: bool,
    direct: bool,
    register: bool,
    custom_flags: i32,
    mode: u32,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl OpenOptions {
    /// No access, no creation, mode `0o666` less the process's mask.
    pub fn new() -> Self {
        Self {
            read: false,
            write: false,
            append: false,
            truncate: false,
            create: false,
            create_new: false,
            direct: false,
            register: false,
            custom_flags: 0,
            mode: 0o666,
        }
    }

    /// To read.
    pub fn read(self, read: bool) -> Self {
        Self { read, ..self }
    }

    /// To write.
    pub fn write(self, write: bool) -> Self {
        Self { write, ..self }
    }

    /// To write at the end, whatever offset the operation names.
    pub fn append(self, append: bool) -> Self {
        Self { append, ..self }
    }

    /// Cut to nothing when opened.
    pub fn truncate(self, truncate: bool) -> Self {
        Self { truncate, ..self }
    }

    /// Created if there is none.
    pub fn create(self, create: bool) -> Self {
        Self { create, ..self }
    }

    /// Created, or refused if there is one (`EEXIST`).
    pub fn create_new(self, create_new: bool) -> Self {
        Self { create_new, ..self }
    }

    /// Past the page cache (`O_DIRECT`). Address, offset and length of every operation must be
    /// aligned then, as the file system says: buffers of [`Engine::allocate_buffer`] are; the
    /// error of an operation that is not names what is needed.
    ///
    /// [`Engine::allocate_buffer`]: crate::Engine::allocate_buffer
    pub fn direct(self, direct: bool) -> Self {
        Self { direct, ..self }
    }

    /// Registered with the kernel when it is open, see [`File::register`](crate::File::register).
    pub fn register(self, register: bool) -> Self {
        Self { register, ..self }
    }

    /// More flags (`libc::O_*`), for what has no method here. Access modes among them are ignored.
    pub fn custom_flags(self, custom_flags: i32) -> Self {
        Self { custom_flags, ..self }
    }

    /// The permissions of a file that is created, before the process's mask.
    pub fn mode(self, mode: u32) -> Self {
        Self { mode, ..self }
    }

    /// Opens a file, as [`Engine::open`].
    pub fn open(self, engine: &Engine, path: impl AsRef<Path>) -> Operation<'_, Open> {
        engine.open(path, self)
    }

    fn flags(&self) -> Result<i32, &'static str> {
        let access = match (self.read, self.write || self.append) {
            (true, false) => libc::O_RDONLY,
            (false, true) => libc::O_WRONLY,
            (true, true) => libc::O_RDWR,
            (false, false) => return Err("open for reading, writing or both"),
        };
        let creates = self.create || self.create_new;
        if (creates || self.truncate) && access == libc::O_RDONLY {
            return Err("creating and truncating need write access");
        }
        if self.append && self.truncate && !self.create_new {
            return Err("a file cannot be truncated and appended to");
        }
        let flag = |wanted, flag| if wanted { flag } else { 0 };
        Ok(access
            | self.custom_flags & !libc::O_ACCMODE
            | libc::O_CLOEXEC
            | flag(self.append, libc::O_APPEND)
            | flag(self.truncate && !self.create_new, libc::O_TRUNC)
            | flag(creates, libc::O_CREAT)
            | flag(self.create_new, libc::O_EXCL)
            | flag(self.direct, libc::O_DIRECT))
    }
}

impl Engine {
    /// Opens a file.
    ///
    /// If the future is dropped and the file is opened all the same, it is closed again.
    ///
    /// Its errors: [`Error::Io`](crate::Error::Io) with what the kernel says,
    /// [`Error::InvalidArgument`](crate::Error::InvalidArgument) for options that contradict each
    /// other and a path with a zero byte.
    pub fn open(&self, path: impl AsRef<Path>, options: OpenOptions) -> Operation<'_, Open> {
        let (path, legal) = c_path(path.as_ref());
        let op = match (legal, options.flags()) {
            (Ok(()), Ok(flags)) => Op::openat(libc::AT_FDCWD, &path, flags, options.mode),
            (Err(why), _) | (_, Err(why)) => Err(aura_engine::Error::Invalid(why)),
        };
        let kind = Open { path, engine: self.inner.clone(), register: options.register };
        // SAFETY: the operation names the path, whose bytes `kind` owns.
        unsafe { Operation::on_engine(&self.inner, op, kind) }
    }

    /// Asks for the metadata of what is at `path`, following links.
    pub fn metadata(&self, path: impl AsRef<Path>) -> Operation<'_, Statx> {
        let (path, legal) = c_path(path.as_ref());
        let mask = libc::STATX_BASIC_STATS | libc::STATX_BTIME;
        let (op, kind) = Statx::new(libc::AT_FDCWD, Some(path), 0, mask);
        let op = legal.map_err(aura_engine::Error::Invalid).and(op);
        // SAFETY: the operation names path and answer, which `kind` owns.
        unsafe { Operation::on_engine(&self.inner, op, kind) }
    }
}

/// The path as the kernel wants it, if it can be one.
fn c_path(path: &Path) -> (CString, Result<(), &'static str>) {
    match CString::new(path.as_os_str().as_bytes()) {
        Ok(path) => (path, Ok(())),
        Err(_) => (CString::default(), Err("a path cannot contain a zero byte")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_become_flags() {
        let flags = |options: OpenOptions| options.flags().unwrap() & !libc::O_CLOEXEC;
        let new = OpenOptions::new;
        assert_eq!(flags(new().read(true)), libc::O_RDONLY);
        assert_eq!(flags(new().read(true).append(true)), libc::O_RDWR | libc::O_APPEND);
        assert_eq!(
            flags(new().write(true).create_new(true).truncate(true).direct(true)),
            libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL | libc::O_DIRECT
        );
        assert_eq!(flags(new().read(true).custom_flags(libc::O_RDWR)), libc::O_RDONLY);
    }

    #[test]
    fn options_that_contradict_each_other_are_refused() {
        let new = OpenOptions::new;
        for options in [
            new(),
            new().create(true),
            new().read(true).create(true),
            new().read(true).truncate(true),
            new().append(true).truncate(true),
        ] {
            assert!(options.flags().is_err(), "{options:?}");
        }
    }
}
