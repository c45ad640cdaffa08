//! What runs do: to files, to errors, to signals.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{bffio, entries, stderr, stdout};

/// Runs one job, which has to succeed, and gives its part of the report.
fn job(folder: &Path, arguments: &[&str]) -> Value {
    let all = [&["--name=j", "--output-format=json"], arguments].concat();
    let output = bffio(folder, &all);
    assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
    report["jobs"][0].clone()
}

#[test]
fn files_are_laid_out_with_data_that_is_not_there_twice() {
    let folder = tempfile::tempdir().unwrap();
    job(folder.path(), &["--rw=randread", "--size=1m", "--number_ios=1"]);
    let path = folder.path().join("j.0.0");
    let data = fs::read(&path).unwrap();
    assert_eq!(data.len(), 1 << 20);
    assert!(fs::metadata(&path).unwrap().blocks() * 512 >= 1 << 20, "no holes");
    let mut blocks: Vec<&[u8]> = data.chunks(512).collect();
    blocks.sort_unstable();
    blocks.dedup();
    assert_eq!(blocks.len(), 2048, "every sector is another");
}

#[test]
fn data_of_others_is_not_overwritten_unless_that_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("precious");
    fs::write(&path, "precious").unwrap();
    let arguments = ["--name=j", "--filename=precious", "--rw=write", "--size=4k"];
    let refused = bffio(folder.path(), &arguments);
    assert!(!refused.status.success());
    assert!(stderr(&refused).contains("--allow-overwrite"), "{}", stderr(&refused));
    // A read that would have to make the file longer writes to it, too.
    let longer =
        bffio(folder.path(), &["--name=j", "--filename=precious", "--rw=read", "--size=4k"]);
    assert!(!longer.status.success());
    assert_eq!(fs::read(&path).unwrap(), b"precious");
    let allowed = bffio(folder.path(), &[&arguments[..], &["--allow-overwrite"]].concat());
    assert!(allowed.status.success(), "{}", stderr(&allowed));
    assert_eq!(fs::metadata(&path).unwrap().len(), 4096);
}

#[test]
fn files_of_an_earlier_run_are_used_again_and_removed_only_by_unlink() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        job(folder.path(), &["--rw=randwrite", "--size=64k", "--nrfiles=2"]);
        assert_eq!(entries(folder.path()).len(), 2);
    }
    let other = tempfile::tempdir().unwrap();
    job(other.path(), &["--rw=randwrite", "--size=64k", "--nrfiles=2", "--unlink=1"]);
    assert!(entries(other.path()).is_empty());
}

#[test]
fn a_failed_write_is_the_error_of_the_job_and_of_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let arguments =
        ["--name=j", "--filename=/dev/full", "--rw=write", "--size=8k", "--output-format=json"];
    let output = bffio(folder.path(), &arguments);
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(report["jobs"][0]["error"], libc::ENOSPC);
    assert!(stderr(&output).contains("No space left on device"), "{}", stderr(&output));

    let counted = job(
        folder.path(),
        &["--filename=/dev/full", "--rw=write", "--size=8k", "--continue_on_error=write"],
    );
    assert_eq!((&counted["error"], &counted["total_err"]), (&0.into(), &2.into()));
    assert_eq!(counted["first_error"], libc::ENOSPC);
}

#[test]
fn what_was_damaged_does_not_verify() {
    for method in ["crc32c", "md5", "meta", "pattern"] {
        let folder = tempfile::tempdir().unwrap();
        let verify = format!("--verify={method}");
        let blocks = ["--size=64k", "--bs=4k", "--verify_interval=1k"];
        let files = [&blocks[..], &["--verify_pattern=0xc0ffee", verify.as_str()]].concat();
        let written = job(folder.path(), &[&files[..], &["--rw=randwrite"]].concat());
        assert_eq!(written["read"]["total_ios"], 16, "every block is read back");
        job(folder.path(), &[&files[..], &["--rw=read"]].concat());

        let path = folder.path().join("j.0.0");
        let mut data = fs::read(&path).unwrap();
        data[5 * 4096] ^= 1; // The magic of a header: whatever the method, it is looked at.
        fs::write(&path, data).unwrap();
        let arguments = [&["--name=j", "--output-format=json", "--rw=read"], &files[..]].concat();
        let output = bffio(folder.path(), &arguments);
        assert_eq!(output.status.code(), Some(1), "{method}");
        assert!(stderr(&output).contains("verify"), "{method}: {}", stderr(&output));
    }
}

#[test]
fn with_blocks_of_many_sizes_each_byte_is_written_and_checked_once() {
    let folder = tempfile::tempdir().unwrap();
    let sizes = ["--rw=randwrite", "--size=1m", "--bsrange=4k-16k", "--verify=meta"];
    let done = job(folder.path(), &[&sizes[..], &["--iodepth=4"]].concat());
    for direction in ["read", "write"] {
        assert_eq!(done[direction]["io_bytes"], 1 << 20, "{direction}");
    }
}

#[test]
fn ctrl_c_prints_what_there_is_so_far() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_bffio"));
    command.args(["--name=j", "--size=64k", "--rw=read", "--time_based", "--runtime=60"]);
    command.args(["--output-format=json", "--output=out.json"]).current_dir(folder.path());
    let begun = Instant::now();
    let mut child = command.spawn().unwrap();
    // The file is there when the job is about to run.
    while !folder.path().join("j.0.0").exists() && begun.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_millis(700));
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(128));
    let report = fs::read_to_string(folder.path().join("out.json")).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    assert!(report["jobs"][0]["read"]["total_ios"].as_u64() > Some(0));
}

#[test]
fn walls_and_waits_keep_jobs_apart() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[global]\nsize=64k\nrw=read\ntime_based\nruntime=200ms\nwrite_iops_log=log\n\
                log_avg_msec=50\nlog_unix_epoch=1\n\
                [first]\n[beside]\n[after]\nwait_for=first\n[last]\nstonewall\n";
    fs::write(folder.path().join("jobs.fio"), text).unwrap();
    let output = bffio(folder.path(), &["jobs.fio", "--output-format=json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
    let groups: Vec<_> =
        report["jobs"].as_array().unwrap().iter().map(|job| job["groupid"].as_u64()).collect();
    assert_eq!(groups, [Some(0), Some(0), Some(0), Some(1)]);
    // When each was at work, from its log.
    let times = [1, 3, 4].map(|number| {
        let log = fs::read_to_string(folder.path().join(format!("log_iops.{number}.log"))).unwrap();
        let times = log.lines().map(|line| line.split(',').next().unwrap().parse::<u64>().unwrap());
        let times: Vec<u64> = times.collect();
        (times[0], times[times.len() - 1])
    });
    assert!(times[0].1 <= times[1].0, "after waits for first: {times:?}");
    assert!(times[1].1 <= times[2].0, "the wall stands after all: {times:?}");
}

#[test]
fn rates_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let limit = ["--size=1m", "--time_based", "--runtime=500ms", "--rate_iops=1000"];
    let kept = job(folder.path(), &[&limit[..], &["--rw=randread", "--iodepth=4"]].concat());
    let count = kept["read"]["total_ios"].as_u64().unwrap();
    // Never more; how much less is the machine's business.
    assert!((1..=520).contains(&count), "{count} in half a second");
}

#[test]
fn the_bandwidth_of_all_jobs_is_logged_together() {
    let folder = tempfile::tempdir().unwrap();
    let limit = ["--size=64k", "--rw=read", "--time_based", "--runtime=900ms", "--rate=1m"];
    job(folder.path(), &[&limit[..], &["--numjobs=2", "--bandwidth-log"]].concat());
    let log = fs::read_to_string(folder.path().join("agg-read_bw.log")).unwrap();
    let kib_per_s = log.lines().next().and_then(|line| line.split(", ").nth(1)).unwrap();
    // Two workers with a MiB per second each; the counts are up to 100 ms old.
    let kib_per_s: u64 = kib_per_s.parse().unwrap();
    assert!((1..=3 * 1024).contains(&kib_per_s), "{log}");
}

#[test]
fn a_search_of_two_workers_ends_by_itself_with_one_answer() {
    let folder = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    let arguments = ["--name=j", "--size=16m", "--rw=randread", "--target-p99=20ms", "--numjobs=2"];
    let output = bffio(folder.path(), &[&arguments[..], &["--output-format=json"]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(begun.elapsed() < Duration::from_secs(30), "it ends without a runtime");
    let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
    let found = &report["jobs"][0];
    let section = &found["AuraIO"];
    assert_eq!(section["adaptive"], true);
    assert!(section["final_depth"].as_u64() > Some(0), "{section}");
    assert_eq!(found["latency_depth"], section["final_depth"]);
    assert_eq!(report["jobs"][1]["AuraIO"]["final_depth"], section["final_depth"]);
    let search = &section["search"];
    assert_eq!(search["target_ms"].as_f64(), Some(20.0));
    assert!(search["time_to_converge_ms"].as_u64() > Some(0), "{search}");
    assert!(search["trace"].as_array().is_some_and(|trace| trace.len() > 3), "{search}");
}

#[test]
fn blocks_that_begin_anywhere_are_whole() {
    let folder = tempfile::tempdir().unwrap();
    let done = job(folder.path(), &["--size=64k", "--rw=randread", "--bs=4k", "--blockalign=512"]);
    assert_eq!(done["read"]["total_ios"], 16, "as in fio, which has no map of them either");
}

#[test]
fn a_sweep_reports_every_depth_and_one_knee() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--name=j", "--size=1m", "--rw=randread", "--sweep=1,2,4", "--runtime=100ms"];
    let output =
        bffio(folder.path(), &[&arguments[..], &["--time_based", "--output-format=json"]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
    let sweep = report["AuraIO"]["sweep"].as_array().unwrap();
    let depths: Vec<_> = sweep.iter().map(|point| point["depth"].as_u64().unwrap()).collect();
    assert_eq!(depths, [1, 2, 4]);
    assert_eq!(sweep.iter().filter(|point| point["knee"] == true).count(), 1);
    assert_eq!(entries(folder.path()), ["j.0.0"], "all depths use one file");
}
