//! Whole files: reading one into memory, writing one, copying one.

use std::path::Path;

use crate::buf::IoBuf;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::file::OpenOptions;
use crate::stream::Writer;

/// How much of a file one operation of [`copy`] moves.
const COPY_CHUNK_BYTES: usize = 256 << 10;
/// How many reads, and how many writes, [`copy`] has in flight.
const COPY_DEPTH: usize = 8;

/// Reads a whole file.
///
/// ```
/// let engine = aura::Engine::new()?;
/// let program = aura::block_on(&engine, aura::fs::read(&engine, "/proc/self/exe"))?;
/// assert_eq!(program, std::fs::read("/proc/self/exe").unwrap());
/// # Ok::<(), aura::Error>(())
/// ```
///
/// # Errors
///
/// As [`Engine::open`] and [`File::read_to_end`](crate::File::read_to_end).
pub async fn read(engine: &Engine, path: impl AsRef<Path>) -> Result<Vec<u8>> {
    let file = engine.open(path, OpenOptions::new().read(true)).await?;
    let (_, contents) = file.read_to_end(Vec::new(), 0).await?;
    Ok(contents)
}

/// Writes a whole file, which is created or loses what it held before. The data are with the
/// kernel afterwards, not on the device: see [`File::sync_all`](crate::File::sync_all).
///
/// Returns the buffer.
///
/// # Errors
///
/// As [`Engine::open`] and [`File::write_all_at`](crate::File::write_all_at). The buffer is gone
/// then, and the file may hold a part of it.
pub async fn write<B: IoBuf>(engine: &Engine, path: impl AsRef<Path>, contents: B) -> Result<B> {
    let options = OpenOptions::new().write(true).create(true).truncate(true);
    let file = engine.open(path, options).await?;
    let contents = file.write_all_at(contents, 0).await?;
    file.close().await?;
    Ok(contents)
}

/// Copies the contents of a file to another, which is created (with the permissions of the first)
/// or loses what it held before. Returns how many bytes that were.
///
/// Several reads and writes are in flight at any time.
///
/// # Errors
///
/// As [`Engine::open`], reading and writing. The copy may be incomplete then.
/// [`Error::InvalidArgument`] if both are the same file, which is left as it was.
pub async fn copy(engine: &Engine, from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<u64> {
    let source = engine.open(from, OpenOptions::new().read(true)).await?;
    let about_source = source.metadata().await?;
    if about_source.is_dir() {
        return Err(Error::from_raw_os_error(libc::EISDIR));
    }
    let options = OpenOptions::new().write(true).create(true).mode(about_source.mode());
    let target = engine.open(to, options).await?;
    let about_target = target.metadata().await?;
    let place = |metadata: &crate::Metadata| {
        let statx = metadata.statx();
        (statx.stx_dev_major, statx.stx_dev_minor, statx.stx_ino)
    };
    if place(&about_source) == place(&about_target) {
        return Err(Error::InvalidArgument("a file cannot be copied to itself"));
    }
    if about_target.is_file() && about_target.len() > 0 {
        target.set_len(0).await?;
    }
    // What says that it is empty may be written as it is read (in /proc), each time from the start if not in order.
    let reads = if about_source.len() == 0 { 1 } else { COPY_DEPTH };
    let mut chunks = source.chunks(.., COPY_CHUNK_BYTES, reads);
    let mut writer = Writer::new(&target, 0, COPY_DEPTH);
    while let Some(chunk) = chunks.next().await {
        writer.write(chunk?).await?;
    }
    let bytes = writer.finish().await?;
    target.close().await?;
    Ok(bytes)
}
