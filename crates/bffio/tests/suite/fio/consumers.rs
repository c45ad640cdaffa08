//! Programs that read fio's output, unchanged.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{fio, ours, skipped};

const TERSE_JOB: [&str; 6] =
    ["--name=j", "--size=1m", "--rw=randrw", "--bs=4k", "--iodepth=4", "--output-format=terse"];

#[test]
fn a_terse_line_has_the_fields_of_fio_where_fio_has_them() {
    if skipped() {
        return;
    }
    let lines = [fio, ours].map(|run| {
        let folder = tempfile::tempdir().unwrap();
        let text = run(folder.path(), &TERSE_JOB);
        text.lines().find(|line| line.starts_with("3;")).expect("a line").to_owned()
    });
    let [theirs, here] = lines.each_ref().map(|line| line.split(';').collect::<Vec<_>>());
    assert_eq!(theirs.len(), here.len(), "{lines:#?}");
    // The HOWTO's names of some fields, by their place from 0.
    for (place, name) in [(2, "jobname"), (3, "groupid"), (4, "error")] {
        assert_eq!(theirs[place], here[place], "{name}");
    }
    let bytes = |fields: &[&str]| {
        let kib = |place: usize| fields[place].parse::<u64>().expect("KiB");
        kib(5) + kib(5 + 41)
    };
    assert_eq!(bytes(&theirs), bytes(&here), "total KiB of reads and writes");
    for (place, (theirs, here)) in theirs.iter().zip(&here).enumerate() {
        // A percentage, a number with decimals, one without, a percentile.
        let shape = |field: &str| {
            let percentile = field.split_once("%=").map(|(percent, _)| percent.to_owned());
            (percentile, field.ends_with('%'), field.contains('.'))
        };
        let is_text = place < 5;
        assert!(is_text || shape(theirs) == shape(here), "field {place}: {theirs} and {here}");
    }
}

#[test]
fn the_converter_of_fio_reads_our_bins() {
    if skipped() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--name=j", "--size=1m", "--rw=randread", "--bs=4k"];
    let output = ["--output-format=json+", "--output=out.json"];
    ours(folder.path(), &[&arguments[..], &output].concat());
    let mut converter = Command::new("fio_jsonplus_clat2csv");
    let converted = converter.args(["out.json", "out.csv"]).current_dir(folder.path()).output();
    let converted = match converted {
        Ok(converted) => converted,
        Err(error) => return eprintln!("SKIP: no fio_jsonplus_clat2csv here ({error})"),
    };
    assert!(converted.status.success(), "{converted:?}");
    let table = fs::read_to_string(folder.path().join("out_job0.csv")).unwrap();
    let mut rows = table.lines().map(|line| line.split(", ").collect::<Vec<_>>());
    let header = rows.next().expect("a header");
    let column = header.iter().position(|name| *name == "read_clat_ns_cumulative").unwrap();
    let last = rows.filter_map(|row| row[column].trim().parse::<u64>().ok()).max();
    assert_eq!(last, Some(256), "every I/O is in a bin");
}

/// The folder of a Python environment with fio-plot, which is made once and kept.
fn fio_plot() -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fio-plot");
    let program = folder.join("bin/fio-plot");
    if program.exists() {
        return Ok(program);
    }
    let quiet = |command: &mut Command| {
        let output = command.stdin(Stdio::null()).output();
        let output = output.map_err(|error| format!("{command:?}: {error}"))?;
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().last().unwrap_or_default().to_owned();
        if output.status.success() { Ok(()) } else { Err(last) }
    };
    quiet(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    let mut pip = Command::new(folder.join("bin/pip"));
    quiet(pip.args(["install", "--quiet", "--disable-pip-version-check", "fio-plot==1.1.21"]))?;
    Ok(program)
}

#[test]
fn fio_plot_draws_from_our_reports_and_logs() {
    let program = match fio_plot() {
        Ok(program) => program,
        Err(error) => return eprintln!("SKIP: fio-plot cannot be installed: {error}"),
    };
    let folder = tempfile::tempdir().unwrap();
    for depth in ["1", "4"] {
        // Names as its own runner gives them.
        let prefix = format!("randread-iodepth-{depth}-numjobs-1");
        let arguments = [
            "--name=j".into(),
            "--filename=../file".into(),
            "--size=1m".into(),
            "--rw=randread".into(),
            "--bs=4k".into(),
            "--numjobs=1".into(),
            "--runtime=300ms".into(),
            "--time_based=1".into(),
            "--log_avg_msec=50".into(),
            format!("--iodepth={depth}"),
            format!("--write_bw_log={prefix}"),
            format!("--write_lat_log={prefix}"),
            format!("--write_iops_log={prefix}"),
            format!("--output=randread-{depth}-1.json"),
            "--output-format=json".into(),
        ];
        let runs = folder.path().join("4k");
        fs::create_dir_all(&runs).unwrap();
        ours(&runs, &arguments.each_ref().map(String::as_str));
    }
    for (name, kind) in [
        ("bars", &["-l", "-d", "1", "4", "-n", "1"][..]),
        ("histogram", &["-H", "-d", "4", "-n", "1"]),
        ("logs", &["-g", "-d", "1", "4", "-n", "1", "-t", "iops", "lat", "bw"]),
    ] {
        let picture = format!("{name}.png");
        let mut draw = Command::new(&program);
        draw.args(["-i", "4k", "-T", "test", "-r", "randread", "-o", &picture]).args(kind);
        let drawn = draw.current_dir(folder.path()).env("MPLBACKEND", "Agg").output().unwrap();
        assert!(drawn.status.success(), "{name}: {drawn:?}");
        let bytes = fs::read(folder.path().join(&picture)).unwrap_or_else(|_| panic!("{drawn:?}"));
        assert!(bytes.starts_with(b"\x89PNG"), "{name} is a picture");
    }
}
