//! A file as a stream: chunks read ahead, and writes that do not wait for each other.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::ops::{Bound, RangeBounds};
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::buf::{IoBuf, Slice};
use crate::buffer::Buffer;
use crate::error::{Error, Result};
use crate::file::File;

/// The data of a chunk: a pool buffer, of which the last one of a file is not full.
pub type Chunk = Slice<Buffer>;

impl File {
    /// Reads a range of the file in chunks, in order, with up to `depth` reads in flight ahead of
    /// the one that is taken. Every chunk but the last has `chunk_bytes` bytes; so it ends at the
    /// end of the range or of the file, whichever comes first.
    ///
    /// Memory for `depth` chunks comes from the engine's pool and goes back to it as chunks are
    /// dropped. For direct I/O the range must begin at a multiple of the alignment, and
    /// `chunk_bytes` be one.
    ///
    /// ```
    /// # let engine = aura::Engine::new()?;
    /// let file = aura::File::from_std(&engine, std::fs::File::open("/proc/self/exe").unwrap());
    /// let total = aura::block_on(&engine, async {
    ///     let mut chunks = file.chunks(.., 64 << 10, 4);
    ///     let mut total = 0;
    ///     while let Some(chunk) = chunks.next().await {
    ///         total += chunk?.len() as u64;
    ///     }
    ///     Ok::<_, aura::Error>(total)
    /// })?;
    /// assert_eq!(total, std::fs::metadata("/proc/self/exe").unwrap().len());
    /// # Ok::<(), aura::Error>(())
    /// ```
    ///
    /// # Panics
    ///
    /// If `chunk_bytes` or `depth` is zero.
    pub fn chunks(
        &self,
        range: impl RangeBounds<u64>,
        chunk_bytes: usize,
        depth: usize,
    ) -> Chunks<'_> {
        assert!(chunk_bytes > 0 && depth > 0, "chunks have bytes, and one is read at least");
        let next_offset = match range.start_bound() {
            Bound::Included(start) => *start,
            Bound::Excluded(before) => before.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(last) => last.saturating_add(1),
            Bound::Excluded(end) => *end,
            Bound::Unbounded => u64::MAX,
        };
        let reads = VecDeque::with_capacity(depth);
        Chunks { file: self, reads, next_offset, end, chunk_bytes, depth }
    }

    /// One chunk, shorter than asked for at the end of the file.
    async fn chunk(&self, offset: u64, len: usize) -> Result<Chunk> {
        let buffer = Buffer::of_pool(self.inner().engine().pool(), len)?;
        let (bytes, buffer) = self.read_to_limit(buffer, offset, len).await?;
        Ok(Slice::new(buffer, 0, bytes))
    }
}

/// A read or write of a stream, which may be over.
enum Step<'f, T> {
    Going(Pin<Box<dyn Future<Output = T> + Send + 'f>>),
    Over(T),
}

impl<T> Step<'_, T> {
    /// Moves it on, and says whether it is over.
    fn advance(&mut self, context: &mut Context<'_>) -> bool {
        if let Self::Going(future) = self
            && let Poll::Ready(result) = future.as_mut().poll(context)
        {
            *self = Self::Over(result);
        }
        matches!(self, Self::Over(_))
    }
}

/// The chunks of a file, made by [`File::chunks`].
///
/// After an error or the end it yields nothing more. Dropping it cancels what it has in flight.
/// With the feature `stream` it is a `futures_core::Stream`.
pub struct Chunks<'f> {
    file: &'f File,
    reads: VecDeque<(usize, Step<'f, Result<Chunk>>)>,
    next_offset: u64,
    end: u64,
    chunk_bytes: usize,
    depth: usize,
}

impl Chunks<'_> {
    /// The next chunk, or `None` at the end.
    ///
    /// # Errors
    ///
    /// As [`File::read_at`], and [`Error::BufferAlloc`](crate::Error::BufferAlloc).
    pub async fn next(&mut self) -> Option<Result<Chunk>> {
        poll_fn(|context| self.poll_next_chunk(context)).await
    }

    fn poll_next_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Chunk>>> {
        while self.reads.len() < self.depth && self.next_offset < self.end {
            let left = usize::try_from(self.end - self.next_offset).unwrap_or(usize::MAX);
            let len = self.chunk_bytes.min(left);
            let read = self.file.chunk(self.next_offset, len);
            self.reads.push_back((len, Step::Going(Box::pin(read))));
            self.next_offset = self.next_offset.saturating_add(len as u64);
        }
        for (_, read) in &mut self.reads {
            read.advance(context);
        }
        match self.reads.pop_front() {
            None => Poll::Ready(None),
            Some((wanted, Step::Over(Ok(chunk)))) => {
                if chunk.len() < wanted {
                    self.stop(); // The end of the file.
                }
                Poll::Ready((!chunk.is_empty()).then_some(Ok(chunk)))
            }
            Some((_, Step::Over(Err(error)))) => {
                self.stop();
                Poll::Ready(Some(Err(error)))
            }
            Some(going) => {
                self.reads.push_front(going);
                Poll::Pending
            }
        }
    }

    fn stop(&mut self) {
        self.reads.clear();
        self.end = self.next_offset;
    }
}

#[cfg(feature = "stream")]
impl futures_core::Stream for Chunks<'_> {
    type Item = Result<Chunk>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_next_chunk(context)
    }
}

impl std::fmt::Debug for Chunks<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chunks")
            .field("next_offset", &self.next_offset)
            .field("ahead", &self.reads.len())
            .finish_non_exhaustive()
    }
}

/// Writes buffers one after the other to a file, without waiting for each: up to `depth` writes
/// are in flight.
///
/// An error comes out of a later call; then no more is written. [`finish`](Self::finish) waits for
/// all. Dropping it before cancels what is in flight.
///
/// ```
/// let path = tempfile::tempdir().unwrap().keep().join("numbers");
/// let engine = aura::Engine::new()?;
/// aura::block_on(&engine, async {
///     let options = aura::OpenOptions::new().write(true).create_new(true);
///     let file = engine.open(&path, options).await?;
///     let mut writer = aura::Writer::new(&file, 0, 8);
///     for number in 0..100u8 {
///         writer.write(vec![number; 1000]).await?;
///     }
///     assert_eq!(writer.finish().await?, 100_000);
///     file.sync_all().await
/// })?;
/// assert_eq!(std::fs::read(&path).unwrap()[99_000..], [99; 1000]);
/// # std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
/// # Ok::<(), aura::Error>(())
/// ```
pub struct Writer<'f> {
    file: &'f File,
    writes: VecDeque<Step<'f, Result<()>>>,
    next_offset: u64,
    written: u64,
    depth: usize,
    /// An error has come out.
    failed: bool,
}

impl<'f> Writer<'f> {
    /// A writer that begins at `offset`.
    ///
    /// # Panics
    ///
    /// If `depth` is zero.
    #[must_use]
    pub fn new(file: &'f File, offset: u64, depth: usize) -> Self {
        assert!(depth > 0, "one write at least is in flight");
        let writes = VecDeque::with_capacity(depth);
        Self { file, writes, next_offset: offset, written: 0, depth, failed: false }
    }

    /// Appends a buffer: waits until fewer than `depth` writes are in flight, and starts another.
    ///
    /// # Errors
    ///
    /// As [`File::write_all_at`], of this or an earlier write. The buffers are gone.
    pub async fn write<B: IoBuf>(&mut self, buffer: B) -> Result<()> {
        self.until_fewer_than(self.depth).await?;
        let (file, offset, len) = (self.file, self.next_offset, buffer.bytes_init() as u64);
        let write = async move {
            file.write_all_at(buffer, offset).await?;
            Ok(())
        };
        self.writes.push_back(Step::Going(Box::pin(write)));
        self.next_offset = offset.saturating_add(len);
        self.written += len;
        // Now, and not when somebody next waits.
        poll_fn(|context| {
            for write in &mut self.writes {
                write.advance(context);
            }
            Poll::Ready(Ok(()))
        })
        .await
    }

    /// Waits for all writes and returns how many bytes they were. What is written is with the
    /// kernel then, not on the device: see [`File::sync_data`].
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub async fn finish(mut self) -> Result<u64> {
        self.until_fewer_than(1).await?;
        Ok(self.written)
    }

    async fn until_fewer_than(&mut self, few: usize) -> Result<()> {
        if self.failed {
            return Err(Error::Io(std::io::Error::other("an earlier write of this writer failed")));
        }
        poll_fn(|context| {
            let mut failed = None;
            self.writes.retain_mut(|write| {
                if !write.advance(context) {
                    return true;
                }
                if let Step::Over(Err(error)) = std::mem::replace(write, Step::Over(Ok(()))) {
                    failed.get_or_insert(error);
                }
                false
            });
            match failed {
                Some(error) => {
                    self.failed = true;
                    self.writes.clear();
                    Poll::Ready(Err(error))
                }
                None if self.writes.len() < few => Poll::Ready(Ok(())),
                None => Poll::Pending,
            }
        })
        .await
    }
}

impl std::fmt::Debug for Writer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer")
            .field("next_offset", &self.next_offset)
            .field("in_flight", &self.writes.len())
            .finish_non_exhaustive()
    }
}
