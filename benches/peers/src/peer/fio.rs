//! fio with `--ioengine=io_uring`, if it is installed: a program of its own, started for each turn.
//!
//! It reports its own figures, which leave its start-up out. It checks lengths, but not our content; the
//! two words that the others compare cost some 15 ns per read. It times every read, not one in 17.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use aura_bench::interrupt::{self, Interrupted};
use aura_bench::latency::Latency;
use aura_bench::row::{Row, Settings, Turn};
use aura_bench::subject::Subject;
use aura_bench::{BLOCK_BYTES, Error};
use serde_json::Value;

use crate::subject_path;

/// Reading before the figures count.
const RAMP: Duration = Duration::from_millis(50);
/// Start-up and end, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(5);

struct Fio {
    arguments: Vec<String>,
}

/// fio's version, or what to do if there is none.
pub(crate) fn version() -> Result<String, Error> {
    let output = Command::new("fio").arg("--version").output();
    let output = output.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            "fio is not installed: apt-get install fio, or dnf install fio".to_owned()
        }
        _ => format!("fio: {error}"),
    })?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

pub(crate) fn start(subject: &Subject, settings: Settings) -> Result<Box<dyn Row>, Error> {
    Ok(Box::new(Fio::new(subject, settings, &[])?))
}

/// With registered buffers and files.
pub(crate) fn start_fixed(subject: &Subject, settings: Settings) -> Result<Box<dyn Row>, Error> {
    Ok(Box::new(Fio::new(subject, settings, &["--fixedbufs=1", "--registerfiles=1"])?))
}

impl Fio {
    fn new(subject: &Subject, settings: Settings, more: &[&str]) -> Result<Self, Error> {
        version()?;
        let Settings { depth, batch } = settings;
        let arguments = [
            "--name=peers --ioengine=io_uring --rw=randread --readonly --allow_file_create=0",
            "--time_based --thread --norandommap --randrepeat=0",
            // It would drop the page cache, and ask for the time more often than the figures need.
            "--invalidate=0 --disable_slat=1 --disable_bw_measurement=1",
            // From submission on: what the page cache answers is complete when it is submitted.
            "--lat_percentiles=1 --clat_percentiles=0 --percentile_list=50:99",
            "--iodepth_batch_complete_min=1 --output-format=json",
        ];
        let arguments = arguments.iter().flat_map(|line| line.split(' ')).map(str::to_owned);
        let arguments = arguments.chain(more.iter().map(|&argument| argument.to_owned()));
        let arguments = arguments.chain([
            format!("--filename={}", subject_path(subject).display()),
            format!("--size={}", subject.bytes / BLOCK_BYTES as u64 * BLOCK_BYTES as u64),
            format!("--bs={BLOCK_BYTES}"),
            format!("--direct={}", u8::from(subject.is_direct)),
            format!("--iodepth={depth}"),
            format!("--iodepth_batch_submit={batch}"),
            format!("--iodepth_batch_complete_max={batch}"),
            format!("--ramp_time={}ms", RAMP.as_millis()),
        ]);
        Ok(Self { arguments: arguments.collect() })
    }
}

impl Row for Fio {
    fn warm_up(&mut self, _: Duration) -> Result<(), Error> {
        Ok(()) // Every run warms itself up.
    }

    fn turn(&mut self, time: Duration) -> Result<Turn, Error> {
        let mut fio = Command::new("fio");
        fio.args(&self.arguments).arg(format!("--runtime={}ms", time.as_millis()));
        fio.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Files that it may leave behind go where others leave theirs.
        fio.current_dir(std::env::temp_dir());
        let (report, complaints) = run(fio.spawn()?, time + RAMP + PATIENCE)?;
        turn(&report).map_err(|error| match complaints.trim() {
            "" => format!("fio: {error}").into(),
            complaints => format!("fio: {error}: {complaints}").into(),
        })
    }

    fn finish(&mut self, _: &Subject) -> Result<(), Error> {
        Ok(())
    }
}

/// Waits for the program's end, which the user or a deadline may bring about, and returns its outputs.
fn run(mut fio: Child, time_limit: Duration) -> Result<(String, String), Error> {
    let report = fio.stdout.take().map(|pipe| thread::spawn(move || read_all(pipe)));
    let complaints = fio.stderr.take().map(|pipe| thread::spawn(move || read_all(pipe)));
    let begun = Instant::now();
    let ended: Result<(), Error> = loop {
        if fio.try_wait()?.is_some() {
            break Ok(());
        }
        if interrupt::requested() {
            break Err(Interrupted.into());
        }
        if begun.elapsed() > time_limit {
            break Err(format!("fio did not end within {} s", time_limit.as_secs()).into());
        }
        thread::sleep(LOOK_EVERY);
    };
    if ended.is_err() {
        fio.kill()?;
        fio.wait()?;
    }
    let collect = |reader: Option<thread::JoinHandle<String>>| {
        reader.and_then(|thread| thread.join().ok()).unwrap_or_default()
    };
    let outputs = (collect(report), collect(complaints));
    if interrupt::requested() {
        return Err(Interrupted.into()); // A signal from the terminal reached fio too.
    }
    ended.map(|()| outputs)
}

fn read_all(mut pipe: impl Read) -> String {
    let mut bytes = Vec::new();
    // What was read before an error is all there is.
    let _ = pipe.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The figures in fio's report.
fn turn(report: &str) -> Result<Turn, String> {
    // Warnings may come first.
    let json = report.find('{').map_or("", |start| &report[start..]);
    let report: Value = serde_json::from_str(json).map_err(|_| "no report")?;
    let job = &report["jobs"][0];
    let number = |value: &Value, name: &str| {
        value.as_f64().ok_or_else(|| format!("its report lacks {name}"))
    };
    if number(&job["error"], "error")? != 0.0 {
        return Err(format!("it ended with error {}", job["error"]));
    }
    let read = &job["read"];
    let cut = number(&read["short_ios"], "short_ios")? + number(&read["drop_ios"], "drop_ios")?;
    if cut != 0.0 {
        return Err(format!("{cut} reads were short"));
    }
    let operations = number(&read["total_ios"], "total_ios")?;
    let percentile =
        |name: &str| number(&read["lat_ns"]["percentile"][name], "latencies").map(|ns| ns as u64);
    if operations == 0.0 {
        return Err("it read nothing".into());
    }
    let seconds = operations / number(&read["iops"], "iops")?;
    let cpu_percent = number(&job["usr_cpu"], "usr_cpu")? + number(&job["sys_cpu"], "sys_cpu")?;
    Ok(Turn {
        operations: operations as u64,
        seconds,
        cpu_seconds: Some(cpu_percent / 100.0 * seconds),
        latency: Some(Latency {
            p50_ns: percentile("50.000000")?,
            p99_ns: percentile("99.000000")?,
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(error: u32, short: u32, total: u32) -> String {
        format!(
            "fio: a warning\n{{\"jobs\": [{{\"error\": {error}, \"usr_cpu\": 20.0, \"sys_cpu\": 30.0, \
             \"read\": {{\"short_ios\": {short}, \
             \"drop_ios\": 0, \"total_ios\": {total}, \"iops\": 5000.0, \"lat_ns\": \
             {{\"percentile\": {{\"50.000000\": 700, \"99.000000\": 900}}}}}}}}]}}"
        )
    }

    #[test]
    fn figures_are_taken_from_the_report() {
        let turn = turn(&report(0, 0, 1000)).expect("a report");
        assert_eq!((turn.operations, turn.seconds, turn.cpu_seconds), (1000, 0.2, Some(0.1)));
        assert_eq!(turn.latency, Some(Latency { p50_ns: 700, p99_ns: 900 }));
    }

    #[test]
    fn failures_are_no_figures() {
        for wrong in [&report(5, 0, 1000), &report(0, 1, 1000), &report(0, 0, 0), "", "{}"] {
            turn(wrong).expect_err("a failure");
        }
    }
}
