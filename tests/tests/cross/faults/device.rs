//! A device that loses its storage, and a file system whose power is cut.

use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aura::{File, OpenOptions, block_on};

use super::engine;
use crate::support::{scratch, skip};

/// Runs a tool; its output, or why it did not work.
fn tool(program: &str, arguments: &[&dyn AsRef<std::ffi::OsStr>]) -> Result<String, String> {
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

/// A loop device; it goes with this.
struct Loop(String);

impl Drop for Loop {
    fn drop(&mut self) {
        if let Err(error) = tool("losetup", &[&"--detach", &self.0]) {
            eprintln!("a loop device stays: {error}");
        }
    }
}

#[test]
fn a_device_without_storage_is_an_error_each_time_and_teaches_the_controller_nothing() {
    const FAILURES: i64 = 100;
    let backing = tempfile::NamedTempFile::new_in(scratch()).unwrap();
    backing.as_file().set_len(1 << 20).unwrap();
    let device = match tool("losetup", &[&"--find", &"--show", &backing.path()]) {
        Ok(device) => Loop(device),
        Err(error) => return skip(&format!("no loop device ({error}): needs root and util-linux")),
    };
    let engine = engine();
    block_on(&engine, async {
        let options = OpenOptions::new().read(true).direct(true);
        let file = engine.open(&device.0, options).await.unwrap();
        let aligned = || engine.allocate_buffer(4096).unwrap();
        assert_eq!(file.read_at(aligned(), 512 << 10).await.unwrap().0, 4096);
        backing.as_file().set_len(64 << 10).unwrap();
        let samples = || engine.histogram(0).unwrap().total_count();
        let before =
            (samples(), engine.stats().unwrap().optimal_in_flight(), engine.decisions().len());
        for number in 0..FAILURES as u64 {
            let failed = file.read_at(aligned(), (512 << 10) + number * 4096).await.unwrap_err();
            assert_eq!(failed.errno(), libc::EIO);
            assert_eq!(failed.into_buffer().map(|buffer| buffer.len()), Some(4096));
        }
        let stats = engine.stats().unwrap();
        assert_eq!(stats.ops_failed(), FAILURES);
        let after = (samples(), stats.optimal_in_flight(), engine.decisions().len());
        assert_eq!(after, before, "latencies of failures were learnt from");
        assert_eq!(file.read_at(aligned(), 0).await.unwrap().0, 4096, "what is there is read");
    });
    assert_eq!(engine.buffer_stats().unwrap().total_buffers(), 0, "buffers that did not come back");
}

/// A file system of its own on a file, mounted.
struct Volume {
    folder: tempfile::TempDir,
    image: PathBuf,
}

impl Volume {
    /// Makes and mounts it, or says why that is impossible.
    fn new() -> Option<Self> {
        let folder = tempfile::tempdir_in(scratch()).unwrap();
        let image = folder.path().join("image");
        std::fs::File::create(&image).unwrap().set_len(64 << 20).unwrap();
        let volume = Self { image, folder };
        std::fs::create_dir(volume.point()).unwrap();
        let made = tool("mkfs.ext4", &[&"-q", &"-F", &volume.image]).and_then(|_| volume.mount());
        if let Err(error) = made {
            skip(&format!("no ext4 can be mounted ({error}): needs root, e2fsprogs, loop devices"));
            return None;
        }
        Some(volume)
    }

    fn point(&self) -> PathBuf {
        self.folder.path().join("mounted")
    }

    fn mount(&self) -> Result<(), String> {
        tool("mount", &[&"-o", &"loop", &self.image, &self.point()]).map(drop)
    }

    fn unmount(&self) -> Result<(), String> {
        tool("umount", &[&self.point()]).map(drop)
    }

    /// The file system forgets what it has not written, its journal's memory included.
    fn cut_power(&self) {
        /// `EXT4_IOC_SHUTDOWN`: `_IOR('X', 125, __u32)`.
        const SHUTDOWN: libc::c_ulong = 0x8004_587d;
        let without_flushing_the_log = 2u32;
        let root = std::fs::File::open(self.point()).unwrap();
        // SAFETY: the request reads one number.
        let cut =
            unsafe { libc::ioctl(root.as_raw_fd(), SHUTDOWN, &raw const without_flushing_the_log) };
        assert_eq!(cut, 0, "{}", std::io::Error::last_os_error());
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        if mounts.contains(&*self.point().to_string_lossy())
            && let Err(error) = self.unmount()
        {
            eprintln!("a file system stays mounted: {error}");
        }
    }
}

const BLOCK: usize = 4096;
/// Where the child writes, and where it says what is safe there.
const DATA: &str = "AURA_TEST_SYNCED_DATA";
const LOG: &str = "AURA_TEST_SYNCED_LOG";

fn block(number: u64) -> Vec<u8> {
    (0..BLOCK as u64 / 8).flat_map(|word| (number * 1_000_003 + word).to_le_bytes()).collect()
}

/// Writes blocks by several tasks at once; each that was synced is named in the log, until the file
/// system fails.
#[test]
#[ignore = "run by acknowledged_data_survive_a_power_cut and acknowledged_data_survive_a_kill"]
fn child_that_syncs() {
    let data = std::env::var(DATA).expect("set by the parent");
    let log = std::fs::File::create(std::env::var(LOG).expect("set by the parent")).unwrap();
    let engine = engine();
    block_on(&engine, async {
        let options = OpenOptions::new().write(true).create(true);
        let file = &engine.open(&data, options).await.unwrap();
        let lanes = (0..4).map(|lane| write_lane(file, lane, &log));
        futures_util::future::join_all(lanes).await;
    });
}

async fn write_lane(file: &File, lane: u64, log: &std::fs::File) {
    use std::io::Write;
    for number in (lane..2048).step_by(4) {
        let written = file.write_all_at(block(number), number * BLOCK as u64).await;
        if written.is_err() || file.sync_data().await.is_err() {
            return;
        }
        writeln!(&*log, "{number}").unwrap();
    }
}

fn start_syncing(data: &Path, log: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().expect("this binary"));
    child.args(["faults::device::child_that_syncs", "--exact", "--ignored"]);
    child.env(DATA, data).env(LOG, log).stdout(Stdio::null());
    let mut child = child.spawn().expect("it starts");
    let start = Instant::now();
    while acknowledged(log).len() < 50 {
        assert!(start.elapsed() < Duration::from_secs(60), "nothing is written");
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        std::thread::sleep(Duration::from_millis(2));
    }
    child
}

fn acknowledged(log: &Path) -> Vec<u64> {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let complete = text.rsplit_once('\n').map_or("", |(lines, _)| lines);
    complete.lines().map(|line| line.parse().expect("a number")).collect()
}

#[track_caller]
fn all_there(data: &Path, acknowledged: &[u64]) {
    let bytes = std::fs::read(data).unwrap();
    for &number in acknowledged {
        let at = number as usize * BLOCK;
        assert!(bytes.get(at..at + BLOCK) == Some(&block(number)), "block {number} is lost");
    }
}

#[test]
fn acknowledged_data_survive_a_power_cut() {
    let Some(volume) = Volume::new() else { return };
    let (data, log) = (volume.point().join("data"), volume.folder.path().join("log"));
    let unsynced = volume.point().join("unsynced");
    let mut child = start_syncing(&data, &log);
    std::fs::write(&unsynced, block(0)).unwrap();
    // Before: a sync under way may be told that all is well although the journal was cut off, which no real
    // loss of power could bring about.
    let acknowledged = acknowledged(&log);
    volume.cut_power();
    child.wait().unwrap();
    volume.unmount().unwrap();
    volume.mount().unwrap();
    all_there(&data, &acknowledged);
    let lost = std::fs::read(&unsynced).is_ok_and(|bytes| bytes == block(0));
    let fate = if lost { "survived as well" } else { "are lost" };
    eprintln!(
        "{} blocks were acknowledged and are there; data never synced {fate}",
        acknowledged.len()
    );
}

#[test]
fn acknowledged_data_survive_a_kill() {
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    let (data, log) = (folder.path().join("data"), folder.path().join("log"));
    let mut child = start_syncing(&data, &log);
    child.kill().unwrap();
    child.wait().unwrap();
    let acknowledged = acknowledged(&log);
    all_there(&data, &acknowledged);
    eprintln!("{} blocks were acknowledged and are there", acknowledged.len());
}
