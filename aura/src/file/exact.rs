//! Whole reads and writes: going on where the kernel stopped early.

use super::File;
use crate::buf::{IoBuf, IoBufMut, Slice};
use crate::error::{Error, Result};
use crate::op_error::OpError;

impl File {
    /// Reads until the buffer is full, however often the kernel stops early.
    ///
    /// # Errors
    ///
    /// As [`read_at`](Self::read_at), and [`Error::Io`] of kind `UnexpectedEof` if the file ends
    /// before; [`OpError::transferred`] says how much was read.
    pub async fn read_exact_at<B: IoBufMut>(
        &self,
        buffer: B,
        offset: u64,
    ) -> Result<B, OpError<B>> {
        let total = buffer.bytes_total();
        match self.read_to_limit(buffer, offset, total).await? {
            (done, buffer) if done == total => Ok(buffer),
            (done, buffer) => Err(OpError::new(eof(), Some(buffer)).after(done)),
        }
    }

    /// Reads until the buffer is full or the file ends, and says how much that was.
    pub(crate) async fn read_to_limit<B: IoBufMut>(
        &self,
        mut buffer: B,
        offset: u64,
        total: usize,
    ) -> Result<(usize, B), OpError<B>> {
        let mut done = 0;
        while done < total {
            let rest = Slice::new(buffer, done, total);
            let read = self.read_at(rest, offset.saturating_add(done as u64)).await;
            let (bytes, rest) = match read {
                Ok(read) => read,
                Err(error) => return Err(error.map_buffer(Slice::into_inner).after(done)),
            };
            buffer = rest.into_inner();
            done += bytes;
            if bytes == 0 {
                break;
            }
        }
        Ok((done, buffer))
    }

    /// Writes all the data of the buffer, however often the kernel stops early.
    ///
    /// # Errors
    ///
    /// As [`write_at`](Self::write_at); [`OpError::transferred`] says how much was written.
    pub async fn write_all_at<B: IoBuf>(&self, buffer: B, offset: u64) -> Result<B, OpError<B>> {
        let (mut buffer, mut done) = (buffer, 0);
        let total = buffer.bytes_init();
        while done < total {
            let rest = Slice::new(buffer, done, total);
            let written = self.write_at(rest, offset.saturating_add(done as u64)).await;
            let (bytes, rest) = match written {
                Ok(written) => written,
                Err(error) => return Err(error.map_buffer(Slice::into_inner).after(done)),
            };
            buffer = rest.into_inner();
            done += bytes;
            if bytes == 0 {
                let nothing = std::io::Error::from(std::io::ErrorKind::WriteZero);
                return Err(OpError::new(Error::Io(nothing), Some(buffer)).after(done));
            }
        }
        Ok(buffer)
    }

    /// Appends to the vector what the file holds from `offset` to its end, and returns how many
    /// bytes that is with the vector.
    ///
    /// # Errors
    ///
    /// As [`read_at`](Self::read_at); the vector holds what was read before.
    pub async fn read_to_end(
        &self,
        vector: Vec<u8>,
        offset: u64,
    ) -> Result<(usize, Vec<u8>), OpError<Vec<u8>>> {
        /// Room to find out that the file has ended, and to go on if it has not.
        const MORE: usize = 64 << 10;
        let before = vector.len();
        let mut vector = vector;
        let len = match self.metadata().await {
            Ok(metadata) => metadata.len(),
            Err(error) => return Err(OpError::new(error, Some(vector))),
        };
        let expected = usize::try_from(len.saturating_sub(offset)).unwrap_or(usize::MAX);
        // One byte more, so that the end is seen without growing again. Files that do not know
        // their length (in /proc) want to be read at once.
        let room = if expected == 0 { MORE } else { expected.saturating_add(1) };
        if let Err(error) = vector.try_reserve_exact(room) {
            let error = std::io::Error::new(std::io::ErrorKind::OutOfMemory, error);
            return Err(OpError::new(Error::Io(error), Some(vector)));
        }
        loop {
            if vector.capacity() == vector.len() {
                vector.reserve(MORE);
            }
            let (filled, room) = (vector.len(), vector.capacity());
            let rest = Slice::new(vector, filled, room);
            let from = offset.saturating_add((filled - before) as u64);
            let (bytes, rest) = match self.read_at(rest, from).await {
                Ok(read) => read,
                Err(error) => {
                    return Err(error.map_buffer(Slice::into_inner).after(filled - before));
                }
            };
            vector = rest.into_inner();
            if bytes == 0 {
                return Ok((filled - before, vector));
            }
        }
    }
}

fn eof() -> Error {
    Error::Io(std::io::ErrorKind::UnexpectedEof.into())
}
