//! What the run did to the disks below its files: counters of `/sys/dev/block`, before and after.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A disk's counters.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Counters {
    read_ios: u64,
    read_merges: u64,
    read_ticks_ms: u64,
    write_ios: u64,
    write_merges: u64,
    write_ticks_ms: u64,
    busy_ms: u64,
    in_queue_ms: u64,
}

/// What happened to a disk during the run.
#[derive(Clone, Debug, Default)]
pub struct DiskUse {
    /// The disk's name.
    pub name: String,
    /// Reads and writes that the disk completed.
    pub ios: [u64; 2],
    /// Reads and writes that were merged into others.
    pub merges: [u64; 2],
    /// Milliseconds that reads and writes took, added up.
    pub ticks_ms: [u64; 2],
    /// Milliseconds in the queue, added up.
    pub in_queue_ms: u64,
    /// Percent of the time with anything to do.
    pub util_percent: f64,
}

/// The disks below some files, watched from its creation on.
#[derive(Debug)]
pub struct Disks {
    /// Counters at the beginning, by the disk's folder in sysfs.
    before: BTreeMap<PathBuf, Counters>,
    begun: Instant,
}

impl Disks {
    /// Begins to watch the disks that `files` are on. Files that are on none (tmpfs) are left out.
    #[must_use]
    pub fn below<'p>(files: impl IntoIterator<Item = &'p Path>) -> Self {
        let folders = files.into_iter().filter_map(disk_of);
        let before = folders.filter_map(|folder| Some((folder.clone(), counters(&folder)?)));
        Self { before: before.collect(), begun: Instant::now() }
    }

    /// What has happened to them so far.
    #[must_use]
    pub fn used(&self) -> Vec<DiskUse> {
        let elapsed = self.begun.elapsed();
        let disks = self.before.iter();
        disks.filter_map(|(folder, before)| used(folder, before, elapsed)).collect()
    }
}

fn used(folder: &Path, before: &Counters, elapsed: Duration) -> Option<DiskUse> {
    let now = counters(folder)?;
    let busy_ms = now.busy_ms.saturating_sub(before.busy_ms) as f64;
    let elapsed_ms = elapsed.as_secs_f64() * 1e3;
    Some(DiskUse {
        name: folder.file_name()?.to_string_lossy().into_owned(),
        ios: [now.read_ios - before.read_ios, now.write_ios - before.write_ios],
        merges: [now.read_merges - before.read_merges, now.write_merges - before.write_merges],
        ticks_ms: [
            now.read_ticks_ms - before.read_ticks_ms,
            now.write_ticks_ms - before.write_ticks_ms,
        ],
        in_queue_ms: now.in_queue_ms.saturating_sub(before.in_queue_ms),
        util_percent: (busy_ms / elapsed_ms.max(1.0) * 100.0).min(100.0),
    })
}

/// The folder in sysfs of the disk that a file is on, or that it is. A partition's is its disk's.
fn disk_of(file: &Path) -> Option<PathBuf> {
    let metadata = fs::metadata(file).ok()?;
    let is_device = metadata.file_type().is_block_device();
    let device = if is_device { metadata.rdev() } else { metadata.dev() };
    let name = format!("{}:{}", libc::major(device), libc::minor(device));
    let folder = fs::canonicalize(Path::new("/sys/dev/block").join(name)).ok()?;
    let is_partition = folder.join("partition").exists();
    if is_partition { folder.parent().map(Path::to_path_buf) } else { Some(folder) }
}

fn counters(folder: &Path) -> Option<Counters> {
    parse(&fs::read_to_string(folder.join("stat")).ok()?)
}

/// The line of a disk's `stat`: Documentation/admin-guide/iostats.rst of the kernel.
fn parse(line: &str) -> Option<Counters> {
    let fields: Vec<u64> = line.split_whitespace().map_while(|field| field.parse().ok()).collect();
    let [read_ios, read_merges, _, read_ticks_ms, rest @ ..] = &fields[..] else { return None };
    let [write_ios, write_merges, _, write_ticks_ms, _, busy_ms, in_queue_ms, ..] = rest else {
        return None;
    };
    Some(Counters {
        read_ios: *read_ios,
        read_merges: *read_merges,
        read_ticks_ms: *read_ticks_ms,
        write_ios: *write_ios,
        write_merges: *write_merges,
        write_ticks_ms: *write_ticks_ms,
        busy_ms: *busy_ms,
        in_queue_ms: *in_queue_ms,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_where_the_kernel_puts_them() {
        let line = "  1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n";
        let counters = parse(line).expect("complete");
        assert_eq!((counters.read_ios, counters.read_merges, counters.read_ticks_ms), (1, 2, 4));
        assert_eq!((counters.write_ios, counters.write_merges, counters.write_ticks_ms), (5, 6, 8));
        assert_eq!((counters.busy_ms, counters.in_queue_ms), (10, 11));
        assert_eq!(parse("1 2 3"), None);
    }

    #[test]
    fn what_is_on_no_disk_is_left_out() {
        assert!(Disks::below([Path::new("/proc/self/stat")]).used().is_empty());
    }
}
