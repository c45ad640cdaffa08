//! What a ring leaves behind when it is dropped: nothing.

use std::os::fd::AsRawFd;
use std::time::Duration;

use aura_ring::{Ring, RingConfig, Sqe, Target};

use crate::support::{in_child, open_descriptors, push, run, scratch, target};

/// How many mappings of rings this process has.
fn mapped_queues() -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("/proc is mounted");
    maps.lines().filter(|line| line.contains("io_uring")).count()
}

#[test]
fn dropped_rings_leave_no_descriptor_and_no_mapping() {
    in_child("descriptors::dropped_rings_leave_no_descriptor_and_no_mapping", || {
        let (file, mut byte) = (scratch(b"x"), [0u8]);
        let (reader, writer) = std::io::pipe().unwrap();
        let before = (open_descriptors(), mapped_queues());
        let small = RingConfig { entries: 4, ..RingConfig::default() };
        for round in 0..1000 {
            let one_thread = round % 2 == 0;
            let sqpoll_idle = (round % 50 == 0).then_some(Duration::from_millis(1));
            let config = RingConfig { one_thread, sqpoll_idle, ..small.clone() };
            let ring = Ring::new(&config).unwrap();
            if round == 0 {
                assert_eq!(open_descriptors(), before.0 + 1);
                assert!(mapped_queues() > before.1, "mappings are not recognised");
            }
            ring.register_files(&[file.as_raw_fd()]).unwrap();
            let read = Sqe::read(Target::Registered(0), byte.as_mut_ptr(), 1, 0);
            assert_eq!(run(&ring, read), 1);
            // One operation is left queued, one is left unreaped.
            push(&ring, Sqe::nop());
            ring.submit().unwrap();
            push(&ring, Sqe::nop());
        }
        assert_eq!((open_descriptors(), mapped_queues()), before);

        // An operation that never ends does not keep the ring, nor its own file, open.
        let leaked = Box::leak(Box::new([0u8; 8])); // The kernel may write to it at any time.
        let ring = Ring::new(&small).unwrap();
        push(&ring, Sqe::read(target(&reader), leaked.as_mut_ptr(), 8, u64::MAX));
        ring.submit().unwrap();
        drop((ring, reader));
        assert_eq!((open_descriptors(), mapped_queues()), (before.0 - 1, before.1));
        drop(writer);
    });
}
