//! How large files become, and how much of them is transferred.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{bffio, entries, stderr, stdout};

/// Runs jobs on the command line; returns the bytes that each has read.
fn read_bytes(folder: &Path, arguments: &[&str]) -> Vec<u64> {
    let output = bffio(folder, &[&["--output-format=json"], arguments].concat());
    assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
    let jobs = report["jobs"].as_array().unwrap();
    jobs.iter().map(|job| job["read"]["io_bytes"].as_u64().unwrap()).collect()
}

#[test]
fn percentages_are_shares_of_files_that_are_there_or_going_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let share = |options: &[&str]| read_bytes(folder.path(), &[&["--name=j"], options].concat());
    let file = ["--filename=f", "--filesize=1m"];
    assert_eq!(share(&[&file[..], &["--size=25%"]].concat()), [256 << 10]);
    assert_eq!(
        fs::metadata(folder.path().join("f")).unwrap().len(),
        256 << 10,
        "no more than needed"
    );
    assert_eq!(share(&[&file[..], &["--offset=50%"]].concat()), [512 << 10]);
    // Now it is there, and 1 MiB large.
    assert_eq!(share(&["--filename=f", "--size=75%"]), [768 << 10]);
    assert_eq!(share(&["--filename=f", "--io_size=50%"]), [512 << 10]);
    let slices = ["--filename=f", "--size=25%", "--offset_increment=25%", "--numjobs=4"];
    assert_eq!(share(&slices), [256 << 10; 4]);

    let unknown = bffio(folder.path(), &["--name=j", "--filename=new", "--size=50%"]);
    assert!(stderr(&unknown).contains("give filesize="), "{}", stderr(&unknown));
    assert_eq!(entries(folder.path()), ["f"]);
}

#[test]
fn a_job_that_only_creates_is_reported_with_nothing_done() {
    let folder = tempfile::tempdir().unwrap();
    let jobs =
        ["--size=64k", "--name=lay-out", "--create_only=1", "--name=work", "--create_only=0"];
    assert_eq!(read_bytes(folder.path(), &jobs), [0, 64 << 10]);
    let mut files = entries(folder.path());
    files.sort();
    assert_eq!(files, ["lay-out.0.0", "work.0.0"]);
}
