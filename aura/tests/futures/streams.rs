//! Chunks, the pipelined writer, and whole files.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use aura::{Engine, Error, File, OpenOptions, Writer};
use futures_util::StreamExt;

use crate::common::{
    LONG, SOON, contents, open_with, pattern, poll_once, scratch, settle, small_engine, within,
};

fn read_all(
    engine: &Engine,
    file: &File,
    range: std::ops::Range<u64>,
    chunk: usize,
    depth: usize,
) -> Vec<u8> {
    aura::block_on(engine, async {
        let mut chunks = file.chunks(range, chunk, depth);
        let mut all = Vec::new();
        let mut short = false;
        while let Some(part) = chunks.next().await {
            let part = part.unwrap();
            assert!(!part.is_empty() && part.len() <= chunk && !short);
            short = part.len() < chunk;
            all.extend_from_slice(&part);
        }
        assert!(chunks.next().await.is_none(), "the end is the end");
        all
    })
}

#[test]
fn chunks_are_the_bytes_of_the_range() {
    let engine = small_engine();
    let bytes = pattern(3, 10_000);
    let file = open_with(&engine, &bytes);
    for (chunk, depth) in [(1000, 1), (999, 4), (4096, 3), (10_000, 2), (20_000, 5), (1, 128)] {
        for (begin, end) in [(0, 10_000), (0, 0), (1, 9_999), (5_000, 5_001), (9_000, 20_000)] {
            if chunk == 1 && end - begin > 100 {
                continue;
            }
            let expected = &bytes[begin..end.min(bytes.len())];
            let got = read_all(&engine, &file, begin as u64..end as u64, chunk, depth);
            assert!(got == expected, "{begin}..{end} in chunks of {chunk}, {depth} ahead");
        }
    }
    assert!(read_all(&engine, &file, 10_000..u64::MAX, 100, 4).is_empty());
    assert!(read_all(&engine, &file, 50_000..60_000, 100, 4).is_empty());
    let all = aura::block_on(&engine, async {
        let parts: Vec<_> = file.chunks(.., 700, 3).collect().await;
        parts.into_iter().flat_map(|part| part.unwrap().to_vec()).collect::<Vec<_>>()
    });
    assert!(all == bytes, "as a stream of the futures crate");
}

/// The ranges at the edge of what numbers can say.
#[test]
fn chunks_of_unusual_ranges_end() {
    use std::ops::Bound::{Excluded, Included, Unbounded};
    let engine = small_engine();
    let file = open_with(&engine, &pattern(4, 1000));
    let count = |begin, end| {
        aura::block_on(&engine, async {
            let mut chunks = file.chunks((begin, end), 100, 4);
            let (mut bytes, mut errors) = (0, 0);
            while let Some(part) = chunks.next().await {
                match part {
                    Ok(part) => bytes += part.len(),
                    Err(error) => {
                        assert_eq!(error.errno(), libc::EINVAL, "{error}");
                        errors += 1;
                    }
                }
            }
            assert!(errors <= 1);
            bytes
        })
    };
    assert_eq!(count(Excluded(9), Included(19)), 10);
    assert_eq!(count(Included(20), Excluded(10)), 0);
    assert_eq!(count(Unbounded, Included(u64::MAX)), 1000);
    for begin in [u64::MAX, u64::MAX - 50, i64::MAX as u64, i64::MAX as u64 + 1] {
        assert_eq!(count(Included(begin), Unbounded), 0);
        assert_eq!(count(Excluded(begin), Unbounded), 0);
    }
}

#[test]
fn an_error_ends_the_chunks() {
    let engine = small_engine();
    let folder = File::from_std(&engine, std::fs::File::open(scratch()).unwrap());
    aura::block_on(&engine, async {
        let mut chunks = folder.chunks(.., 100, 8);
        assert_eq!(chunks.next().await.unwrap().unwrap_err().errno(), libc::EISDIR);
        assert!(chunks.next().await.is_none());
    });
}

#[test]
fn chunks_that_are_dropped_give_their_buffers_back() {
    let engine = small_engine();
    let file = open_with(&engine, &pattern(5, 1 << 20));
    for taken in 0..20 {
        aura::block_on(&engine, async {
            let mut chunks = file.chunks(.., 4096, 16);
            for _ in 0..taken {
                chunks.next().await.unwrap().unwrap();
            }
            drop(chunks);
        });
    }
    settle(&engine);
    assert_eq!(engine.buffer_stats().unwrap().total_buffers(), 0);
}

#[test]
fn what_is_written_through_a_writer_is_in_the_file_in_order() {
    let engine = small_engine();
    for depth in [1, 2, 7, 64, 200] {
        let file = tempfile::tempfile_in(scratch()).unwrap();
        let aura_file = File::from_borrowed(&engine, &file).unwrap();
        let bytes = pattern(depth as u64, 100_000);
        aura::block_on(&engine, async {
            let mut writer = Writer::new(&aura_file, 10, depth);
            let mut rest = &bytes[..];
            let mut random = crate::common::Random::new(depth as u64);
            while !rest.is_empty() {
                let (part, more) = rest.split_at(random.below(3000).min(rest.len()));
                writer.write(part.to_vec()).await.unwrap(); // Empty ones among them.
                rest = more;
            }
            assert_eq!(writer.finish().await.unwrap(), 100_000);
        });
        assert!(contents(&file)[10..] == bytes);
    }
}

/// Whoever overlooks the first error must not be told at the end that all is well.
#[test]
fn a_writer_that_failed_stays_failed() {
    within(SOON, "a writer to a full device", || {
        let engine = small_engine();
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let full = File::from_std(&engine, full);
        aura::block_on(&engine, async {
            let mut writer = Writer::new(&full, 0, 4);
            let mut first = None;
            for _ in 0..20 {
                if let Err(error) = writer.write(vec![1; 4096]).await {
                    first.get_or_insert(error);
                }
            }
            assert_eq!(first.expect("the device is full").errno(), libc::ENOSPC);
            let finished = writer.finish().await;
            assert!(finished.is_err(), "nothing was written, yet it says {finished:?}");
        });
    });
}

#[test]
fn an_error_of_the_last_write_comes_out_of_finish() {
    let engine = small_engine();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let full = File::from_std(&engine, full);
    aura::block_on(&engine, async {
        let mut writer = Writer::new(&full, 0, 4);
        writer.write(vec![1; 4096]).await.unwrap();
        assert_eq!(writer.finish().await.unwrap_err().errno(), libc::ENOSPC);
    });
}

#[test]
fn a_writer_dropped_with_writes_in_flight_leaves_the_engine_whole() {
    let engine = small_engine();
    let file = open_with(&engine, b"");
    for _ in 0..50 {
        let mut writer = Writer::new(&file, 0, 8);
        for _ in 0..8 {
            let buffer = engine.allocate_buffer(4096).unwrap();
            let mut write = Box::pin(writer.write(buffer));
            let _ = poll_once(write.as_mut());
        }
    }
    settle(&engine);
    assert_eq!(engine.buffer_stats().unwrap().total_buffers(), 0);
    assert_eq!(engine.stats().unwrap().current_in_flight(), 0);
}

/// Sizes around those of chunks and of the steps of growing.
#[test]
fn whole_files_are_read_written_and_copied() {
    within(LONG, "whole files", || {
        let engine = small_engine();
        let folder = tempfile::tempdir_in(scratch()).unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        for len in [0, 1, 4095, 4096, 65_536, 65_537, 256 << 10, (256 << 10) + 1, 5_000_000, 10] {
            let bytes = pattern(len as u64, len);
            aura::block_on(&engine, async {
                assert!(aura::fs::write(&engine, &from, bytes.clone()).await.unwrap() == bytes);
                assert!(aura::fs::read(&engine, &from).await.unwrap() == bytes, "{len}");
                assert_eq!(aura::fs::copy(&engine, &from, &to).await.unwrap(), len as u64);
            });
            assert!(std::fs::read(&to).unwrap() == bytes, "{len}");
        }
        settle(&engine);
        assert_eq!(engine.buffer_stats().unwrap().total_buffers(), 0);
    });
}

#[test]
fn a_file_copied_to_itself_is_refused_and_left_as_it_was() {
    let engine = small_engine();
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    let (path, hard, soft) =
        (folder.path().join("a"), folder.path().join("hard"), folder.path().join("soft"));
    std::fs::write(&path, b"contents").unwrap();
    std::fs::hard_link(&path, &hard).unwrap();
    std::os::unix::fs::symlink(&path, &soft).unwrap();
    for to in [&path, &hard, &soft] {
        let error = aura::block_on(&engine, aura::fs::copy(&engine, &path, to)).unwrap_err();
        assert!(matches!(error, Error::InvalidArgument(_)), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), b"contents");
    }
}

#[test]
fn what_cannot_be_copied_says_why_and_leaves_nothing_behind() {
    let engine = small_engine();
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("file"), b"contents").unwrap();
    let copy = |from: &Path, to: &Path| {
        aura::block_on(&engine, aura::fs::copy(&engine, from, to)).map_err(|error| error.errno())
    };
    assert_eq!(copy(&at("missing"), &at("to")), Err(libc::ENOENT));
    assert!(!at("to").exists());
    assert_eq!(copy(folder.path(), &at("to")), Err(libc::EISDIR));
    assert!(!at("to").exists());
    assert_eq!(copy(&at("file"), folder.path()), Err(libc::EISDIR));
    assert_eq!(copy(&at("file"), &at("no/where")), Err(libc::ENOENT));
    assert_eq!(copy(&at("file"), Path::new("/dev/full")), Err(libc::ENOSPC));
    assert_eq!(copy(&at("file"), Path::new("/dev/null")), Ok(8));
}

#[test]
fn a_copy_has_the_permissions_of_the_original() {
    let engine = small_engine();
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    std::fs::write(&from, b"contents").unwrap();
    for mode in [0o600, 0o400, 0o755, 0o444] {
        std::fs::set_permissions(&from, std::fs::Permissions::from_mode(mode)).unwrap();
        aura::block_on(&engine, aura::fs::copy(&engine, &from, &to)).unwrap();
        let copied = std::fs::metadata(&to).unwrap().permissions().mode() & 0o7777;
        assert_eq!(copied, mode & 0o755, "less the usual mask");
        std::fs::remove_file(&to).unwrap();
    }
}

/// Such files say that they are empty, and some give nothing at any offset but 0.
#[test]
fn files_that_say_they_are_empty_are_read_as_std_reads_them() {
    let engine = small_engine();
    for path in [
        "/proc/sys/kernel/ostype",
        "/proc/sys/kernel/pid_max",
        "/proc/sys/vm/overcommit_memory",
        "/proc/sys/kernel/printk",
        "/proc/version",
        "/proc/filesystems",
        "/proc/self/cmdline",
        "/proc/kallsyms",
        "/sys/kernel/mm/transparent_hugepage/enabled",
    ] {
        let Ok(expected) = std::fs::read(path) else { continue };
        let got = aura::block_on(&engine, aura::fs::read(&engine, path)).unwrap();
        assert!(
            got == expected,
            "{path}: {:?} instead of {:?}",
            String::from_utf8_lossy(&got[..got.len().min(60)]),
            String::from_utf8_lossy(&expected[..expected.len().min(60)])
        );
        let copy = tempfile::NamedTempFile::new_in(scratch()).unwrap();
        aura::block_on(&engine, aura::fs::copy(&engine, path, copy.path())).unwrap();
        assert!(std::fs::read(copy.path()).unwrap() == expected, "copied: {path}");
    }
}

#[test]
fn reading_to_the_end_appends_to_what_is_there() {
    let engine = small_engine();
    let bytes = pattern(9, 70_000);
    let file = open_with(&engine, &bytes);
    let before = b"before".to_vec();
    let (read, all) = aura::block_on(&engine, file.read_to_end(before, 1000)).unwrap();
    assert_eq!(read, 69_000);
    assert!(all.starts_with(b"before") && all[6..] == bytes[1000..]);
    let (read, all) = aura::block_on(&engine, file.read_to_end(Vec::new(), 1 << 40)).unwrap();
    assert_eq!((read, all.len()), (0, 0));
    let error = aura::block_on(&engine, file.read_to_end(Vec::new(), u64::MAX)).unwrap_err();
    assert_eq!(error.errno(), libc::EINVAL);
}

/// The end of such a file is at a place where direct reads are not allowed to begin.
#[test]
fn direct_reads_end_where_the_file_does() {
    let engine = small_engine();
    let bytes = pattern(11, 10_000);
    let mut named = tempfile::NamedTempFile::new_in(scratch()).unwrap();
    std::io::Write::write_all(&mut named, &bytes).unwrap();
    named.as_file().sync_all().unwrap();
    let options = OpenOptions::new().read(true).direct(true);
    let file = match aura::block_on(&engine, engine.open(named.path(), options)) {
        Ok(file) => file,
        Err(error) => return crate::common::skip(&format!("no direct I/O here: {error}")),
    };
    assert!(read_all(&engine, &file, 0..u64::MAX, 4096, 2) == bytes);
    let buffer = engine.allocate_buffer(16_384).unwrap();
    let error = aura::block_on(&engine, file.read_exact_at(buffer, 0)).unwrap_err();
    assert_eq!(error.transferred(), 10_000, "{error}");
    assert!(error.into_buffer().unwrap().as_slice()[..10_000] == bytes);
}
