//! A disk whose rate is set by the kernel and changes: a loop device under a block-I/O throttle.
//!
//! Needs root, loop devices and a control group with the block-I/O controller, version 1
//! (`blkio.throttle.read_iops_device`) or 2 (`io.max`). Where one is missing the experiment is skipped
//! and says so. Everything it makes it removes, also when it fails half-way.

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use aura_bench::Error;
use aura_bench::subject::{Direct, Subject};

use crate::Context;
use crate::load::{Limit, Load, Work};
use crate::recording::{Recording, seconds};
use crate::row::{Against, Row, Seen};
use crate::sweep::Sweep;

/// Reads per second, one after the other. All are below what disks in use today can do.
const RATES: [u32; 3] = [20_000, 5_000, 20_000];
const STRETCH_S: f64 = 4.0;
const SETTLING_S: f64 = 1.0;

/// A loop device over an open file.
struct Loop(PathBuf);

impl Loop {
    fn attach(subject: &Subject) -> Result<Self, String> {
        let link = format!("/proc/{}/fd/{}", std::process::id(), subject.file.as_raw_fd());
        let output = Command::new("losetup")
            .args(["--find", "--show", "--read-only", "--direct-io=on", &link])
            .output()
            .map_err(|error| format!("losetup (of util-linux): {error}"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("losetup: {}", said.trim()));
        }
        Ok(Self(String::from_utf8_lossy(&output.stdout).trim().into()))
    }

    fn number(&self) -> Result<String, Error> {
        let device = fs::metadata(&self.0)?.rdev();
        Ok(format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device)))
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        if let Err(error) = Command::new("losetup").arg("--detach").arg(&self.0).status() {
            eprintln!("{} stays attached: {error}", self.0.display());
        }
    }
}

/// A control group that this process is in while the value lives.
struct Group {
    folder: PathBuf,
    /// `cgroup.procs` of the group it came from.
    home: PathBuf,
    is_unified: bool,
}

impl Group {
    fn enter() -> Result<Self, String> {
        let groups = fs::read_to_string("/proc/self/cgroup").map_err(|error| error.to_string())?;
        let path_of = |controller: &str| {
            let mut lines = groups.lines().filter_map(|line| {
                let mut parts = line.splitn(3, ':').skip(1);
                Some((parts.next()?, parts.next()?.trim_start_matches('/')))
            });
            lines.find(|(names, _)| names.split(',').any(|name| name == controller))
        };
        let version_1 = Path::new("/sys/fs/cgroup/blkio");
        let (parent, is_unified) = if version_1.join("cgroup.procs").exists() {
            let path = path_of("blkio").map_or("", |found| found.1);
            (version_1.join(path), false)
        } else {
            let path = path_of("").map_or("", |found| found.1);
            (Path::new("/sys/fs/cgroup").join(path), true)
        };
        let folder = parent.join(format!("aura-bench-{}", std::process::id()));
        let explain = |error: std::io::Error| format!("{}: {error}", folder.display());
        fs::create_dir(&folder).map_err(explain)?;
        let group = Self { home: parent.join("cgroup.procs"), is_unified, folder };
        let file = group.file();
        if !file.exists() {
            return Err(format!("{} is missing: no block-I/O controller here", file.display()));
        }
        fs::write(group.folder.join("cgroup.procs"), std::process::id().to_string())
            .map_err(|error| format!("{}: {error}", group.folder.display()))?;
        Ok(group)
    }

    fn file(&self) -> PathBuf {
        self.folder.join(if self.is_unified { "io.max" } else { "blkio.throttle.read_iops_device" })
    }

    fn throttle(&self, device: &str, reads_per_second: u32) -> Result<(), Error> {
        let rule = if self.is_unified {
            format!("{device} riops={reads_per_second}")
        } else {
            format!("{device} {reads_per_second}")
        };
        let file = self.file();
        fs::write(&file, rule).map_err(|error| format!("{}: {error}", file.display()).into())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let left = fs::write(&self.home, std::process::id().to_string());
        if let Err(error) = left.and_then(|()| fs::remove_dir(&self.folder)) {
            eprintln!("{} stays: {error}", self.folder.display());
        }
    }
}

pub(crate) fn run(subject: &Subject, context: &mut Context) -> Result<(), Error> {
    if !rustix::process::geteuid().is_root() {
        context.skip("throttle: only root can attach a loop device and set up a control group");
        return Ok(());
    }
    let device = match Loop::attach(subject) {
        Ok(device) => device,
        Err(reason) => {
            context.skip(&format!("throttle: {reason}"));
            return Ok(());
        }
    };
    let group = match Group::enter() {
        Ok(group) => group,
        Err(reason) => {
            context.skip(&format!("throttle: {reason}"));
            return Ok(());
        }
    };
    let number = device.number()?;
    let subject = Subject::take(&device.0, Direct::Yes)?;
    // What the loop device can do at all, and whether the throttle does anything.
    let mut sweep = Sweep::new(&[64], Work::RandomReads, &subject)?;
    sweep.round(Duration::from_millis(500))?;
    let free = sweep.marks().best(None).map_or(0.0, |mark| mark.iops);
    if free < 1.2 * f64::from(RATES[0]) {
        context.skip(&format!("throttle: the loop device does {free:.0}/s unthrottled, too few"));
        return Ok(());
    }
    for limit in [Limit::Free, Limit::Target(Duration::from_millis(5))] {
        group.throttle(&number, RATES[0])?;
        let load = Load::new(limit, &subject)?;
        let mut recording = Recording::default();
        for rate in RATES {
            group.throttle(&number, rate)?;
            recording.extend(load.run(Work::RandomReads, Duration::from_secs_f64(STRETCH_S))?);
        }
        load.drain()?;
        context.checked += load.finish(&subject)?;
        for (index, rate) in RATES.iter().enumerate() {
            let from = index as f64 * STRETCH_S;
            let stretch = seconds(from, from + STRETCH_S);
            let judged = seconds(from + SETTLING_S, from + STRETCH_S);
            let seen = Seen { recording: &recording, stretch, judged };
            let iops = f64::from(*rate);
            let bytes_per_second = iops * aura_bench::BLOCK_BYTES as f64;
            let allowed = Against { depth: None, iops, bytes_per_second, p99_ns: None, mark: None };
            let name = format!("{rate} reads/s");
            context.rows.push(Row::new("throttle", limit, name, &[(seen, Some(allowed))]));
        }
        let changes = [STRETCH_S, 2.0 * STRETCH_S];
        let name = format!("throttle-{}", limit.name().replace(' ', "-"));
        context.draw(&name, &recording, limit, &changes)?;
        context.decisions.push((name, load.decisions()));
    }
    Ok(())
}
