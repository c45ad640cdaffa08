//! What the log says about operations that puzzle their authors.

use std::fs::OpenOptions;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aura_engine::log::{Level, clear_handler, set_handler};
use aura_engine::{Config, Engine, Memory, Op, Ring, Target};

use crate::odd::Heard;

#[test]
fn a_misaligned_direct_read_is_explained_once() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = directory.path().join("direct");
    std::fs::write(&path, vec![1u8; 16 << 10]).unwrap();
    let direct = OpenOptions::new().read(true).custom_flags(libc::O_DIRECT).open(&path);
    let Ok(file) = direct else {
        eprintln!("SKIP: no O_DIRECT on the file system of {}", directory.path().display());
        return;
    };
    let said = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&said);
    set_handler(move |level, text| log.lock().unwrap().push((level, text.to_owned())));

    let engine: Arc<Engine<Ring>> = Engine::create(&Config::default()).unwrap();
    let heard = Heard::default();
    let memory: &'static mut [u8] = Box::leak(vec![0; 16 << 10].into_boxed_slice());
    let odd_address = Memory::Address(memory[1..].as_mut_ptr());
    for _ in 0..3 {
        let read = Op::read(Target::Fd(file.as_raw_fd()), odd_address, 4096, 0).unwrap();
        // SAFETY: the memory is never given back.
        unsafe { engine.submit(&read, 0, heard.hear()) }.unwrap();
    }
    engine.drain(Some(Duration::from_secs(10))).unwrap();
    clear_handler();

    if heard.all() != [-libc::EINVAL; 3] {
        eprintln!("SKIP: this file system takes misaligned direct reads: {:?}", heard.all());
        return;
    }
    let said = said.lock().unwrap();
    let about: Vec<_> = said.iter().filter(|(_, text)| text.contains("O_DIRECT")).collect();
    assert_eq!(about.len(), 1, "{said:?}");
    let (level, text) = about[0];
    assert_eq!(*level, Level::Warning);
    assert!(text.contains("must be aligned to") && text.contains("4096"), "{text}");
}
