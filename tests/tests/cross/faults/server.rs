//! A file system in this process whose files fail, each in its way.

use std::ffi::OsStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags,
    Generation, INodeNo, LockOwner, MountOption, OpenFlags, ReplyAttr, ReplyData, ReplyEmpty,
    ReplyEntry, ReplyOpen, ReplyWrite, Request, WriteFlags,
};

use crate::support::skip;

/// How long each file claims to be.
const LEN: usize = 10_000;

/// The files by their inode numbers, from 2.
const NAMES: [&str; 2] = ["broken", "unsynced"];
const BROKEN: u64 = 2;
const UNSYNCED: u64 = 3;

/// What the server noticed.
#[derive(Default)]
pub(crate) struct Seen {
    /// Calls of fsync.
    pub(crate) syncs: AtomicU32,
}

pub(crate) struct Server {
    pub(crate) seen: Arc<Seen>,
    folder: tempfile::TempDir,
    _session: BackgroundSession,
}

impl Server {
    /// Mounts it, or says why that is impossible.
    pub(crate) fn start() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let seen = Arc::new(Seen::default());
        let mut config = Config::default();
        config.mount_options.push(MountOption::FSName("aura-faults".into()));
        match fuser::spawn_mount(Faulty(Arc::clone(&seen)), folder.path(), &config) {
            Ok(session) => Some(Self { seen, folder, _session: session }),
            Err(error) => {
                skip(&format!("no FUSE here ({error}): needs /dev/fuse and root, or fusermount3"));
                None
            }
        }
    }

    pub(crate) fn open(&self, name: &str) -> std::fs::File {
        let mut options = std::fs::OpenOptions::new();
        options.read(true).write(true).open(self.folder.path().join(name)).expect("it is there")
    }
}

struct Faulty(Arc<Seen>);

fn attributes(ino: u64) -> FileAttr {
    let kind = if ino == 1 { FileType::Directory } else { FileType::RegularFile };
    FileAttr {
        ino: INodeNo(ino),
        size: LEN as u64,
        blocks: 1,
        atime: UNIX_EPOCH,
        mtime: UNIX_EPOCH,
        ctime: UNIX_EPOCH,
        crtime: UNIX_EPOCH,
        kind,
        perm: 0o777,
        nlink: 1,
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: 4096,
        flags: 0,
    }
}

const LASTING: Duration = Duration::from_secs(3600);

impl Filesystem for Faulty {
    fn lookup(&self, _: &Request, _: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match NAMES.iter().position(|known| name == *known) {
            Some(place) => reply.entry(&LASTING, &attributes(place as u64 + 2), Generation(0)),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        reply.attr(&LASTING, &attributes(ino.0));
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        // So that each operation gets here as it is.
        reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO);
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let left = LEN.saturating_sub(offset as usize);
        match ino.0 {
            BROKEN => reply.error(Errno::EIO),
            _ => reply.data(&vec![1; left.min(size as usize)]),
        }
    }

    fn write(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match (ino.0, offset) {
            (BROKEN, 0) => reply.error(Errno::ENOSPC),
            (BROKEN, _) => reply.error(Errno::EDQUOT),
            _ => reply.written(data.len() as u32),
        }
    }

    fn fsync(&self, _: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        self.0.syncs.fetch_add(1, Ordering::SeqCst);
        if ino.0 == UNSYNCED { reply.error(Errno::EIO) } else { reply.ok() }
    }
}
