//! Command lines, good and bad. Bad ones end before any I/O: nothing is created.

use std::fs;

use super::{bffio, entries, stderr, stdout};

/// Runs the program in an empty folder; it has to fail, create nothing, and say all of `expected`.
fn refused(arguments: &[&str], expected: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let output = bffio(folder.path(), arguments);
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {message}");
    assert!(message.starts_with("bffio: ") && message.lines().count() == 1, "{message}");
    for part in expected {
        assert!(message.contains(part), "{arguments:?}: {part:?} is not in {message:?}");
    }
    assert_eq!(entries(folder.path()), [""; 0], "{arguments:?} created something");
}

#[test]
fn mistyped_names_find_their_neighbour() {
    refused(&["--name=a", "--iodpeth=4", "--size=1m"], &["--iodpeth=4", "\"--iodepth\""]);
    refused(&["--seciton=a"], &["\"--section\""]);
    refused(&["--name=a", "--size=1m", "--wait_for=b"], &["wait_for=b"]);
    refused(&["--cmdhelp=iodpeth"], &["\"iodepth\""]);
}

#[test]
fn values_that_make_no_sense_are_named() {
    refused(&["--name=a", "--size=4q"], &["size=4q", "\"q\" is not a unit", "64k"]);
    refused(&["--name=a", "--size=1m", "--iodepth=0"], &["iodepth=0", "from 1 to 65536"]);
    refused(&["--name=a", "--size=1m", "--runtime=5x"], &["runtime=5x", "10s"]);
    refused(&["--name=a", "--size=1m", "--rwmixread=101"], &["rwmixread=101", "from 0 to 100"]);
    refused(&["--name=a", "--size=1m", "--rw=sideways"], &["rw=sideways", "randread"]);
    refused(&["--name=a", "--size=1m", "--bssplit=4k/60:8k/50"], &["110 %"]);
    refused(&["--name=a", "--size=1m", "--bsrange=8k-4k"], &["ends before it begins"]);
    refused(&["--name=a", "--size=1m", "--random_distribution=zipf:1"], &["must not be 1"]);
    refused(&["--name=a", "--size=1m", "--verify=sha1"], &["verify=sha1", "crc32c"]);
    refused(&["--name=a", "--size=1m", "--verify=pattern"], &["verify_pattern="]);
    refused(&["--name=a", "--size=1m", "--direct"], &["a value is missing", "--direct=0|1"]);
    refused(&["--output-format=xml", "--name=a"], &["xml", "json+"]);
}

#[test]
fn contradictions_are_found_before_any_io() {
    refused(&["--name=a", "--size=1m", "--direct=1", "--buffered=1"], &["direct and buffered"]);
    refused(&["--name=a", "--size=1m", "--rate=1m", "--rate_iops=5"], &["rate and rate_iops"]);
    refused(&["--name=a", "--size=1m", "--rwmixread=70", "--rwmixwrite=70"], &["add up to 100"]);
    refused(
        &["--name=a", "--size=1m", "--target-p99=2ms", "--latency_target=1ms"],
        &["both name a target"],
    );
    refused(&["--name=a", "--size=1m", "--target-p99=2ms", "--sweep"], &["--sweep"]);
    refused(&["--name=a", "--size=1m", "--rw=write", "--readonly"], &["--readonly"]);
    refused(&["--name=a", "--size=1m", "--direct=1", "--bs=1000"], &["512"]);
    refused(&["--name=a", "--size=1k", "--bs=4k"], &["smaller than a block"]);
    refused(&["--name=a", "--rw=read"], &["nothing to work on", "size="]);
    refused(&[], &["no jobs", "--help"]);
}

#[test]
fn files_that_cannot_be_are_named() {
    refused(&["nowhere.fio"], &["nowhere.fio", "No such file"]);
    refused(&["--name=a", "--size=1m", "--output=no/such/folder"], &["--output", "no/such/folder"]);
    refused(&["--name=a", "--size=1m", "--plot=run.png"], &["SVG"]);
    refused(&["--name=a", "--size=1m", "--aux-path=no/such/folder"], &["not a directory"]);
}

#[test]
fn errors_in_job_files_have_file_and_line() {
    let folder = tempfile::tempdir().unwrap();
    for (text, expected) in [
        (
            "[a]\nrw=read\nsize=1m\niodpeth=3\n",
            "job.fio:4: unknown option \"iodpeth\"; did you mean \"iodepth\"?",
        ),
        ("[a]\nbs=4q\n", "job.fio:2: bs=4q:"),
        ("rw=read\n", "job.fio:1: an option outside of a section"),
        ("[a]\nsize=1m\ninclude gone.inc\n", "job.fio:3: cannot read the job file"),
        (
            "[a]\nsize=${BFFIO_NOT_SET}\n",
            "job.fio:2: size=${BFFIO_NOT_SET}: the environment has no BFFIO_NOT_SET",
        ),
        (
            "[a]\nsize=1m\n[b]\nsize=1m\ndirect=1\nbuffered=1\n",
            "job.fio:3: job \"b\": direct and buffered",
        ),
    ] {
        fs::write(folder.path().join("job.fio"), text).unwrap();
        let output = bffio(folder.path(), &["job.fio"]);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(stderr(&output).contains(expected), "{expected:?} is not in {:?}", stderr(&output));
    }
    assert_eq!(entries(folder.path()), ["job.fio"]);
}

#[test]
fn options_may_be_written_in_all_of_fios_ways() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("job.fio"), "[a]\nsize=1m\n[b]\nsize=1m\n").unwrap();
    for arguments in [
        &["--parse-only", "--name=a", "--size=1m"][..],
        &["-parse-only", "-name=a", "-size=1m"],
        &["--parse-only", "--name", "a", "--size", "1m", "--rw", "randread"],
        &["--size=1m", "--name=a", "--name=b", "--stonewall", "--parse-only"],
        &["--parse-only", "--section=b", "job.fio"],
        &[
            "--parse-only",
            "job.fio",
            "--output-format=normal,json",
            "--eta=never",
            "--status-interval=10",
        ],
        &["--parse-only", "-o", "report", "job.fio"],
    ] {
        let output = bffio(folder.path(), arguments);
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{arguments:?}: {}",
            stderr(&output)
        );
    }
    let missing = bffio(folder.path(), &["--parse-only", "--section=c", "job.fio"]);
    assert!(stderr(&missing).contains("no section \"c\""), "{}", stderr(&missing));
    assert_eq!(entries(folder.path()), ["job.fio"], "--parse-only creates nothing");
}

#[test]
fn help_version_manual_and_completions_are_printed() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, expected) in [
        (&["--help"][..], "Examples:"),
        (&["--version"], concat!("bffio-", env!("CARGO_PKG_VERSION"))),
        (&["--cmdhelp=rw"], "randread"),
        (&["--man"], ".TH bffio"),
        (&["--completions=bash"], "complete -F"),
    ] {
        let output = bffio(folder.path(), arguments);
        assert!(output.status.success() && output.stderr.is_empty(), "{arguments:?}");
        assert!(stdout(&output).contains(expected), "{arguments:?}");
    }
}
