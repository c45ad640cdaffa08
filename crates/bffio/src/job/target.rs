//! Which files a job works on.

use std::path::PathBuf;

/// A size or a place in a file that may depend on the file's size.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Amount {
    /// So many bytes.
    Bytes(u64),
    /// So many percent of the file or device, 1 to 100 (`size=50%`).
    Percent(u32),
}

/// The files of a job and how they are opened.
#[derive(Clone, Debug)]
pub struct Files {
    /// `filename=a:b`; empty if names are to be made from [`Files::name_format`]. A colon in a name is
    /// written `\:` and is plain here.
    pub names: Vec<PathBuf>,
    /// `directory=a:b`: workers take them in turn; names are relative to them. Empty: the current one.
    pub directories: Vec<PathBuf>,
    /// `filename_format=`, with `$jobname`, `$clientuid`, `$jobnum` and `$filenum`.
    pub name_format: String,
    /// `nrfiles=`: files per worker if [`Files::names`] is empty.
    pub count: u32,
    /// `size=`: what a worker works on, all its files together. `None`: as large as the files are, or
    /// [`Files::file_bytes`] says.
    pub size: Option<Amount>,
    /// `io_size=`: what a worker transfers, if that differs from [`Files::size`].
    pub io_size: Option<Amount>,
    /// `filesize=`: smallest and largest size of each file.
    pub file_bytes: Option<(u64, u64)>,
    /// `offset=`: where in each file the range begins.
    pub offset: Amount,
    /// `offset_increment=`: added to the offset once per worker number.
    pub offset_increment: Amount,
    /// `offset_align=`: offsets are rounded up to a multiple of it.
    pub offset_align_bytes: Option<u64>,
    /// `file_service_type=`: which file comes next, and after how many I/Os.
    pub next: NextFile,
    /// `direct=`: `O_DIRECT`.
    pub direct: bool,
    /// `sync=`: `O_SYNC` or `O_DSYNC`.
    pub sync: SyncMode,
    /// `invalidate=`: drop the files' pages before the job starts.
    pub invalidate: bool,
    /// `pre_read=`: read the files once before the job starts; turns `invalidate` off.
    pub pre_read: bool,
    /// `fsync=`: an `fsync` after so many writes; 0 for never.
    pub fsync_every: u32,
    /// `fdatasync=`: an `fdatasync` after so many writes; 0 for never.
    pub fdatasync_every: u32,
    /// `end_fsync=`: an `fsync` when the job ends.
    pub end_fsync: bool,
    /// `fsync_on_close=`: an `fsync` when a file is closed.
    pub fsync_on_close: bool,
    /// `create_fsync=`: an `fsync` after a file was laid out.
    pub create_fsync: bool,
    /// `create_only=`: lay out the files and do nothing else.
    pub create_only: bool,
    /// `allow_file_create=`: files that are missing are created; otherwise they are an error.
    pub may_create: bool,
    /// `overwrite=`: lay files out before they are written to.
    pub overwrite: bool,
    /// `fill_device=`: write until the space is used up.
    pub fill_device: bool,
    /// `file_append=`: begin at the end of the file.
    pub append: bool,
    /// `unlink=`: remove the files this job created when it ends.
    pub unlink: bool,
    /// `unlink_each_loop=`: remove them after each loop.
    pub unlink_each_loop: bool,
    /// `allow-overwrite` (bffio's own): permission to write to devices, and to
    /// files that hold data bffio did not write.
    pub may_overwrite: bool,
}

/// `sync=`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum SyncMode {
    /// Neither.
    #[default]
    None,
    /// `O_SYNC`.
    Sync,
    /// `O_DSYNC`.
    Dsync,
}

/// `file_service_type=choice[:ios]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NextFile {
    /// How the next file is chosen.
    pub choice: FileChoice,
    /// I/Os to a file before the next is chosen.
    pub ios: u32,
}

/// How the next file is chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FileChoice {
    /// One after the other.
    RoundRobin,
    /// One until it is finished.
    Sequential,
    /// Any.
    Random,
    /// Few of them often: `zipf:theta`.
    Zipf(f64),
    /// Few of them often: `pareto:h`.
    Pareto(f64),
    /// Around the middle one: `normal:deviation in percent`.
    Normal(f64),
}
