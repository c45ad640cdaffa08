//! Completion queue entries, in the kernel's own layout.

/// One completion.
///
/// Its layout is the kernel's (`struct io_uring_cqe`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Cqe {
    /// The label of the operation, see [`Sqe::user_data`](crate::Sqe::user_data).
    pub user_data: u64,
    /// Bytes or descriptor on success, the negative of `errno` on failure.
    pub result: i32,
    /// `IORING_CQE_F_*`.
    pub flags: u32,
}

const _: () = assert!(size_of::<Cqe>() == 16);
