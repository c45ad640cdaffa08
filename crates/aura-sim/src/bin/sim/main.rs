//! `cargo xtask sim`: every policy against every scenario, as a table.

mod play;
mod plot;
mod table;

use aura_sim::catalogue::{self, Scenario};
use clap::Parser;
use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Play the controller and what it is compared with against simulated devices
///
/// For each scenario the oracle tries every fixed depth first. eta is throughput as a share of its best,
/// V the share of 1-s windows with more than 1 % of operations over the target, t95 the time to 95 % of the
/// best throughput, p99 that of the last part as a multiple of the p99 at the knee (the smallest depth with
/// 97 % of the best), cv the limit's coefficient of variation. eta is exceeded by nine runs in ten, t95, p99
/// and cv are not; V is the mean, limit the median.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask sim", bin_name = "cargo xtask sim")]
struct Cli {
    /// Only scenarios whose name contains this; may be given more than once
    #[arg(long, value_name = "NAME")]
    scenario: Vec<String>,
    /// Runs of each policy in each scenario
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    seeds: u64,
    /// Also write the figures to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Also draw the controller's first run of each scenario into this folder, as SVG
    #[arg(long, value_name = "DIR")]
    plot: Option<PathBuf>,
    /// Only name the scenarios
    #[arg(long)]
    list: bool,
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<(), Box<dyn Error>> {
    let scenarios = chosen(&cli.scenario)?;
    let mut out = std::io::stdout().lock(); // Not `println!`, which panics when piped to `head`.
    if cli.list {
        for scenario in &scenarios {
            writeln!(out, "{:16} {}", scenario.name, scenario.about)?;
        }
        return Ok(());
    }
    // A file that cannot be written is better known before the minutes of work than after.
    let file = cli.json.as_ref().map(|path| {
        std::fs::File::create(path).map_err(|error| format!("{}: {error}", path.display()))
    });
    let file = file.transpose()?;
    if let Some(folder) = &cli.plot {
        std::fs::create_dir_all(folder)
            .map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    let mut results = Vec::new();
    for scenario in &scenarios {
        let prepared = play::prepare(scenario);
        let result = play::all(scenario, &prepared, cli.seeds);
        if let Some(folder) = &cli.plot {
            plot::draw(&folder.join(format!("{}.svg", scenario.name)), scenario, &prepared)?;
        }
        table::print(&mut out, &result)?;
        out.flush()?;
        results.push(result);
    }
    table::verdict(&mut out, &results)?;
    if let Some(file) = file {
        let report = play::Report { seeds: cli.seeds, scenarios: results };
        serde_json::to_writer_pretty(file, &report)?;
    }
    Ok(())
}

fn chosen(names: &[String]) -> Result<Vec<Scenario>, String> {
    let all = catalogue::all();
    if let Some(unknown) = names.iter().find(|name| !all.iter().any(|s| s.name.contains(*name))) {
        return Err(format!("no scenario's name contains '{unknown}'; --list names them"));
    }
    let wanted = |name: &str| names.is_empty() || names.iter().any(|part| name.contains(part));
    Ok(all.into_iter().filter(|scenario| wanted(scenario.name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_part_of_a_name_chooses_and_an_unknown_one_is_an_error() {
        let names = |parts: &[&str]| {
            let parts: Vec<String> = parts.iter().map(|&part| part.into()).collect();
            chosen(&parts).map(|found| found.iter().map(|s| s.name).collect::<Vec<_>>())
        };
        assert_eq!(names(&["elevator"]), Ok(vec!["3-elevator"]));
        assert_eq!(names(&["13-", "elevator"]).map(|found| found.len()), Ok(3));
        assert_eq!(names(&[]).map(|found| found.len()), Ok(catalogue::all().len()));
        assert!(names(&["nonsense"]).is_err());
    }
}
