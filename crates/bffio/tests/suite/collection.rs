//! A collection of job files, one or more of each kind that is in public use.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use bffio::job::{Amount, Distribution, Job, Plan, Sequence, VerifyMethod};
use bffio::parse::{Request, command_line};

/// At least so many percent of such files have to be accepted unchanged.
const ACCEPTED_PERCENT_MIN: usize = 93;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/jobs")
}

fn job_files() -> Vec<PathBuf> {
    let entries = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        entries.filter(|path| path.extension() == Some(OsStr::new("fio"))).collect();
    files.sort();
    files
}

fn parse_only(program: &str, files: &[PathBuf]) -> io::Result<Output> {
    Command::new(program)
        .arg("--parse-only")
        .args(files)
        .envs([("BFFIO_TEST_DIR", "/tmp"), ("BFFIO_TEST_SIZE", "4m")])
        .stdin(Stdio::null())
        .output()
}

#[test]
fn nearly_all_of_the_collection_is_accepted_and_the_rest_refused_with_a_reason() {
    let files = job_files();
    let mut accepted_count = 0;
    for file in &files {
        let output = parse_only(env!("CARGO_BIN_EXE_bffio"), std::slice::from_ref(file)).unwrap();
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        let name = file.file_name().unwrap().to_string_lossy();
        if name.starts_with("unsupported-") {
            assert!(!output.status.success(), "{name} is accepted now: rename it");
            assert!(message.contains(&*name) && message.contains("not supported"), "{message}");
        } else {
            assert!(output.status.success() && message.is_empty(), "{name}: {message}");
            accepted_count += 1;
        }
    }
    let percent = accepted_count * 100 / files.len();
    assert!(percent >= ACCEPTED_PERCENT_MIN, "{accepted_count} of {} is {percent} %", files.len());
}

/// A collection that fio would not take says nothing.
#[test]
fn fio_accepts_the_collection() {
    match parse_only("fio", &job_files()) {
        Ok(output) => assert!(output.status.success(), "{output:?}"),
        Err(error) => eprintln!("SKIP: fio cannot be run ({error}): apt-get install fio"),
    }
}

fn plan(name: &str) -> Plan {
    match command_line([folder().join(name).display().to_string()]) {
        Ok(Request::Run(plan)) => plan,
        other => panic!("{name}: {other:?}"),
    }
}

fn jobs(name: &str) -> Vec<Job> {
    plan(name).jobs
}

#[test]
fn jobs_inherit_from_global_and_wait_for_each_other() {
    let plan = plan("ssd-test.fio");
    let names: Vec<_> = plan.jobs.iter().map(|job| job.name.as_str()).collect();
    assert_eq!(names, ["seq-read", "rand-read", "seq-write", "rand-write"]);
    for job in &plan.jobs {
        assert!(job.stonewall && job.files.direct);
        assert_eq!((job.depth, job.files.size), (4, Some(Amount::Bytes(1 << 30))));
        assert_eq!(job.pattern.block_sizes.read.max_bytes, 4096);
    }
    let global: Vec<_> =
        plan.global_given.iter().map(|given| (given.name, given.value.as_str())).collect();
    assert_eq!(global[..2], [("bs", "4k"), ("ioengine", "libaio")]);
    let own: Vec<_> =
        plan.jobs[0].given.iter().map(|given| (given.name, given.value.as_str())).collect();
    assert_eq!(own, [("rw", "read"), ("stonewall", "")]);
    assert!(plan.notes.iter().any(|note| note.contains("ioengine=libaio")), "{:?}", plan.notes);
}

#[test]
fn includes_stand_where_they_are_named() {
    let jobs = jobs("include-based.fio");
    assert!(jobs.iter().all(|job| job.files.direct && job.timing.time_based));
    let sizes: Vec<_> = jobs.iter().map(|job| job.pattern.block_sizes.write.max_bytes).collect();
    assert_eq!((sizes, jobs[1].depth), (vec![4096, 65_536], 2));
}

#[test]
fn percentages_are_left_to_the_files() {
    let jobs = jobs("percent-sizes.fio");
    assert_eq!(jobs[0].files.size, Some(Amount::Percent(50)));
    assert_eq!(jobs[1].files.offset, Amount::Percent(50));
    assert_eq!(jobs[2].files.offset_increment, Amount::Percent(25));
}

#[test]
fn distributions_splits_and_sequences_mean_what_fio_means() {
    let cache = jobs("web-cache.fio");
    assert_eq!(cache[0].pattern.distribution.read, Distribution::Pareto { h: 0.3, center: None });
    assert!(
        matches!(&cache[2].pattern.distribution.read, Distribution::Zoned(zones) if zones.len() == 4)
    );
    let server = &jobs("file-server.fio")[0].pattern.block_sizes.read;
    assert_eq!((server.min_bytes, server.max_bytes), (512, 65_536));
    assert_eq!(server.split.iter().map(|share| share.percent).sum::<u32>(), 100);
    let sequences: Vec<_> =
        jobs("sequential-holes.fio").iter().map(|job| job.pattern.sequence).collect();
    assert_eq!(
        sequences,
        [Some(Sequence::Skip(65_536)), Some(Sequence::Run(8)), Some(Sequence::Repeat(2))]
    );
}

#[test]
fn targets_rates_and_checks_are_read() {
    let search = jobs("latency-profile.fio")[0].search.clone().unwrap();
    assert_eq!(
        (search.latency.as_millis(), search.percentile, search.depth_max),
        (50, 99.9, Some(128))
    );
    let limited = jobs("rate-limits.fio");
    assert_eq!(limited[0].rates.ios_per_s.read, Some(2000));
    assert_eq!(
        (limited[1].rates.bytes_per_s.read, limited[1].rates.bytes_per_s.write),
        (Some(10 << 20), Some(5 << 20))
    );
    assert_eq!(jobs("verify-crc.fio")[0].verify.method, Some(VerifyMethod::Crc32c));
    assert_eq!(jobs("verify-md5.fio")[0].verify.pattern, [0xde, 0xad, 0xbe, 0xef]);
}

#[test]
fn synchronous_engines_have_one_io_in_flight_and_decimal_units_are_decimal() {
    let jobs = jobs("decimal-units.fio");
    assert_eq!(jobs[0].files.size, Some(Amount::Bytes(100_000_000)));
    assert_eq!(jobs[0].pattern.block_sizes.read.max_bytes, 4096);
    let Ok(Request::Run(plan)) =
        command_line(["--name=a", "--ioengine=psync", "--iodepth=32", "--size=1m"])
    else {
        panic!("a sound command line");
    };
    assert_eq!(plan.jobs[0].depth, 1);
    assert!(plan.notes.iter().any(|note| note.contains("iodepth=32 is 1")), "{:?}", plan.notes);
}
