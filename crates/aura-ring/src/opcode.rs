//! The operations that can be expressed, by the kernel's numbers.

use io_uring::opcode;

/// The operations this crate can express, by the kernel's opcode number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Opcode {
    /// Does nothing and completes; the floor of what a round trip costs.
    Nop = opcode::Nop::CODE,
    /// `preadv`.
    Readv = opcode::Readv::CODE,
    /// `pwritev`.
    Writev = opcode::Writev::CODE,
    /// `fsync` and `fdatasync`.
    Fsync = opcode::Fsync::CODE,
    /// `pread` into a registered buffer.
    ReadFixed = opcode::ReadFixed::CODE,
    /// `pwrite` from a registered buffer.
    WriteFixed = opcode::WriteFixed::CODE,
    /// `poll`, once.
    PollAdd = opcode::PollAdd::CODE,
    /// `sync_file_range`.
    SyncFileRange = opcode::SyncFileRange::CODE,
    /// Cancels another operation by its `user_data`.
    AsyncCancel = opcode::AsyncCancel::CODE,
    /// `fallocate`.
    Fallocate = opcode::Fallocate::CODE,
    /// `openat`.
    OpenAt = opcode::OpenAt::CODE,
    /// `close`.
    Close = opcode::Close::CODE,
    /// `statx`.
    Statx = opcode::Statx::CODE,
    /// `pread`.
    Read = opcode::Read::CODE,
    /// `pwrite`.
    Write = opcode::Write::CODE,
    /// `ftruncate`, since Linux 6.9.
    Ftruncate = opcode::Ftruncate::CODE,
}

impl Opcode {
    /// Every operation, in the order of the kernel's numbers.
    pub const ALL: [Self; 16] = [
        Self::Nop,
        Self::Readv,
        Self::Writev,
        Self::Fsync,
        Self::ReadFixed,
        Self::WriteFixed,
        Self::PollAdd,
        Self::SyncFileRange,
        Self::AsyncCancel,
        Self::Fallocate,
        Self::OpenAt,
        Self::Close,
        Self::Statx,
        Self::Read,
        Self::Write,
        Self::Ftruncate,
    ];

    /// The opcode with this kernel number, if it is one of ours.
    ///
    /// ```
    /// use aura_ring::Opcode;
    /// assert_eq!(Opcode::from_code(Opcode::Read as u8), Some(Opcode::Read));
    /// assert_eq!(Opcode::from_code(255), None);
    /// ```
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|op| *op as u8 == code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_opcode_is_found_by_its_number() {
        for op in Opcode::ALL {
            assert_eq!(Opcode::from_code(op as u8), Some(op));
        }
    }
}
