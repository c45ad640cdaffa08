//! Reads and writes that are done in part.

use std::io::Write;
use std::os::fd::OwnedFd;

use aura::{File, block_on};

use super::engine;
use super::server::{SHORT_MAX, Server, content};

#[test]
fn what_a_file_system_does_in_part_is_said_and_continued() {
    let Some(server) = Server::start() else { return };
    let engine = engine();
    let file = File::from_std(&engine, server.open_with("short", libc::O_DIRECT));
    block_on(&engine, async {
        // The kernel tries again once or twice, and then says how far it got. From then on it takes
        // that place for the end of the file, as the protocol of FUSE has it.
        let (read, buffer) = file.read_at(vec![0; 4096], 500).await.unwrap();
        assert!((SHORT_MAX..4096).contains(&read), "{read} bytes");
        assert!(buffer[..read] == content(500..500 + read));
        let data = content(0..4096);
        let (written, data) = file.write_at(data, 0).await.unwrap();
        assert!((SHORT_MAX..4096).contains(&written), "{written} bytes");
        server.seen.written.lock().unwrap().clear();
        file.write_all_at(data, 2000).await.unwrap();
    });
    // Where, and not what: on a busy machine Linux 6.18 takes some pieces from another place of the memory, when it goes
    // on with a write that this kind of file system has answered short.
    let mut end = 2000;
    for (offset, bytes) in server.seen.written.lock().unwrap().iter() {
        assert_eq!(*offset, end, "every write goes on where the one before ended");
        end += bytes.len();
    }
    assert_eq!(end, 2000 + 4096);
}

#[test]
fn what_comes_in_pieces_is_read_to_the_last_and_the_end_is_said() {
    const PIECES: usize = 40;
    let engine = engine();
    let (reader, mut writer) = std::io::pipe().unwrap();
    let pipe = File::from_fd(&engine, OwnedFd::from(reader));
    let all = content(0..PIECES * 100 + 50);
    let source = all.clone();
    let pieces = std::thread::spawn(move || {
        for piece in source.chunks(100) {
            writer.write_all(piece).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    });
    block_on(&engine, async {
        let data = pipe.read_exact_at(vec![0; PIECES * 100], 0).await.unwrap();
        assert!(data == all[..PIECES * 100]);
        let failed = pipe.read_exact_at(vec![0; 100], 0).await.unwrap_err();
        assert_eq!(failed.transferred(), 50, "as much as there was: {failed}");
        assert_eq!(
            failed.into_buffer().map(|buffer| buffer[..50] == all[PIECES * 100..]),
            Some(true)
        );
        assert_eq!(pipe.read_at(vec![0; 100], 0).await.unwrap().0, 0, "the end");
    });
    pieces.join().unwrap();
}
