//! Checking that what is read is what was written.

/// How written data is checked.
#[derive(Clone, Debug)]
pub struct Verify {
    /// `verify=`; `None` for no checks.
    pub method: Option<VerifyMethod>,
    /// `do_verify=`: read everything back after the writes of each loop.
    pub after_write: bool,
    /// `verify_only=`: check what an earlier run wrote, write nothing.
    pub only: bool,
    /// `verify_interval=`: bytes covered by one header; the block if `None`.
    pub interval_bytes: Option<u64>,
    /// `verify_pattern=`: what the payload is filled with; random data if empty.
    pub pattern: Vec<u8>,
    /// `verify_fatal=`: the first block that does not verify ends the job.
    pub fatal: bool,
    /// `verify_backlog=`: check after so many written blocks, without waiting for the end.
    pub backlog: Option<u32>,
    /// `verify_backlog_batch=`: check so many of them at a time; all if `None`.
    pub backlog_batch: Option<u32>,
}

/// What a block's header holds about its contents.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum VerifyMethod {
    /// CRC-32C of the payload.
    Crc32c,
    /// MD5 of the payload.
    Md5,
    /// Nothing but the header itself: offset, length, time, sequence.
    Meta,
    /// No header: everything is `verify_pattern=`.
    Pattern,
}
