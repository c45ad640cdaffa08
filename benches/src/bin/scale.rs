//! `cargo xtask bench scale`: what rings cost that are not used, and what an engine needs.
//!
//! Engines of 1 to 256 rings, with one ring busy: nanoseconds of a no-op submitted and polled, and of a
//! poll that finds nothing; memory of the engine and of each operation in flight; the time that making
//! and dropping it takes.

use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use aura::{BufferRef, Engine, Options, RingSelect};
use aura_bench::machine::Machine;
use aura_bench::summary::median;
use aura_bench::{Error, conclude, report};
use clap::Parser;
use comfy_table::Table;
use serde::Serialize;

/// The price of many rings: polling, memory, creation.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench scale")]
struct Arguments {
    /// Numbers of rings
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_values_t = [1, 2, 8, 64, 256])]
    rings: Vec<i32>,
    /// Times each of them is measured
    #[arg(long, value_name = "R", default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Write the figures to a file as well
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Medians over the rounds, for one number of rings.
#[derive(Debug, Serialize)]
struct Line {
    rings: i32,
    /// A no-op submitted and polled.
    busy_poll_ns: f64,
    /// A poll that finds nothing, shortly after there was something.
    idle_poll_ns: f64,
    create_us: f64,
    drop_us: f64,
    /// Resident memory that the engine adds.
    resident_kib: f64,
    /// Resident memory that each operation in flight adds.
    bytes_per_operation: f64,
}

#[derive(Debug, Serialize)]
struct Json<'a> {
    bench: &'static str,
    machine: &'a Machine,
    rounds: u32,
    rows: Vec<Line>,
}

fn main() -> ExitCode {
    conclude(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<(), Error> {
    let machine = Machine::describe();
    println!("{machine}");
    let mut observations: Vec<Vec<Line>> = arguments.rings.iter().map(|_| Vec::new()).collect();
    for _ in 0..arguments.rounds {
        for (rings, lines) in arguments.rings.iter().zip(&mut observations) {
            lines.push(observe(*rings)?);
        }
    }
    let rows: Vec<_> = observations.iter().map(|lines| median_of(lines)).collect();
    println!("{}", table(&rows));
    if let Some(file) = &arguments.json {
        let rounds = arguments.rounds;
        report::write_json(file, &Json { bench: "scale", machine: &machine, rounds, rows })?;
    }
    Ok(())
}

/// Measures an engine once.
fn observe(rings: i32) -> Result<Line, Error> {
    // Always the ring of the CPU, so that one is busy, and the others never are.
    let options = Options::new().ring_count(rings).ring_select(RingSelect::CpuLocal);
    let resident_before = resident_bytes()?;
    let begun = Instant::now();
    let engine = Engine::with_options(&options)?;
    let create_us = begun.elapsed().as_secs_f64() * 1e6;
    let resident_kib = (resident_bytes()?.saturating_sub(resident_before)) as f64 / 1024.0;
    let busy_poll_ns = busy_poll_ns(&engine)?;
    let idle_poll_ns = idle_poll_ns(&engine)?;
    let bytes_per_operation = bytes_per_operation(&engine)?;
    let begun = Instant::now();
    drop(engine);
    let drop_us = begun.elapsed().as_secs_f64() * 1e6;
    Ok(Line {
        rings,
        busy_poll_ns,
        idle_poll_ns,
        create_us,
        drop_us,
        resident_kib,
        bytes_per_operation,
    })
}

fn busy_poll_ns(engine: &Engine) -> Result<f64, Error> {
    const WARM_UP: u32 = 2_000;
    const OPERATIONS: u32 = 50_000;
    let mut begun = Instant::now();
    for number in 0..WARM_UP + OPERATIONS {
        if number == WARM_UP {
            begun = Instant::now();
        }
        engine.nop(|result| assert!(result.is_ok()))?;
        while engine.poll()? == 0 {}
    }
    Ok(begun.elapsed().as_secs_f64() * 1e9 / f64::from(OPERATIONS))
}

fn idle_poll_ns(engine: &Engine) -> Result<f64, Error> {
    const POLLS: u32 = 100_000;
    let begun = Instant::now();
    for _ in 0..POLLS {
        engine.poll()?;
    }
    Ok(begun.elapsed().as_secs_f64() * 1e9 / f64::from(POLLS))
}

/// Has as many reads of an empty pipe in flight as are allowed to begin with.
fn bytes_per_operation(engine: &Engine) -> Result<f64, Error> {
    const OPERATIONS: usize = 500;
    let (pipe, mut other_end) = std::io::pipe()?;
    let resident_before = resident_bytes()?;
    // One byte each, of memory that is there for good, whatever happens.
    let memory = Box::leak(Box::new([0_u8; OPERATIONS]));
    let mut submitted = 0;
    for byte in memory.iter_mut() {
        let buffer = std::slice::from_mut(byte);
        // SAFETY: the byte lasts for ever, and nobody else uses it.
        let read = unsafe {
            let buffer = BufferRef::from_mut_slice(buffer);
            engine.read(pipe.as_raw_fd(), buffer, 1, 0, drop)
        };
        match read {
            Ok(_) => submitted += 1,
            Err(error) if error.errno() == libc::EAGAIN => break,
            Err(error) => return Err(error.into()),
        }
    }
    engine.flush()?;
    let resident = resident_bytes()?.saturating_sub(resident_before);
    other_end.write_all(&vec![0; submitted])?;
    engine.drain(10_000)?;
    Ok(resident as f64 / submitted as f64)
}

fn resident_bytes() -> Result<u64, Error> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages = statm.split_whitespace().nth(1).ok_or("/proc/self/statm has no second field")?;
    Ok(pages.parse::<u64>()? * rustix::param::page_size() as u64)
}

fn median_of(lines: &[Line]) -> Line {
    let of = |field: fn(&Line) -> f64| median(&lines.iter().map(field).collect::<Vec<_>>());
    Line {
        rings: lines[0].rings,
        busy_poll_ns: of(|line| line.busy_poll_ns),
        idle_poll_ns: of(|line| line.idle_poll_ns),
        create_us: of(|line| line.create_us),
        drop_us: of(|line| line.drop_us),
        resident_kib: of(|line| line.resident_kib),
        bytes_per_operation: of(|line| line.bytes_per_operation),
    }
}

fn table(lines: &[Line]) -> Table {
    let headings = [
        "rings",
        "busy poll ns",
        "idle poll ns",
        "create µs",
        "drop µs",
        "resident KiB",
        "B/operation",
    ];
    let mut table = aura_bench::table::new(headings, &[]);
    for line in lines {
        table.add_row([
            line.rings.to_string(),
            format!("{:.0}", line.busy_poll_ns),
            format!("{:.1}", line.idle_poll_ns),
            format!("{:.0}", line.create_us),
            format!("{:.0}", line.drop_us),
            format!("{:.0}", line.resident_kib),
            format!("{:.0}", line.bytes_per_operation),
        ]);
    }
    table
}
