//! The exporters tried on the servers that they are for. Those tests are Rust's; here the servers are
//! installed where that may be done, and the programs in C are built.

use super::suite::{Bench, example};
use super::verdicts::program;
use crate::{Outcome, cargo};

/// Servers by program and package.
const SERVERS: [(&str, &str); 2] = [("prometheus", "prometheus"), ("rsyslogd", "rsyslog")];

pub(super) fn run(bench: &Bench) -> Outcome {
    for (name, package) in SERVERS {
        // Where it stays missing the tests say so.
        let _ = program(name, package);
    }
    let mut tests = cargo::cargo();
    // As in the tests of the workspace, so that nothing is compiled anew.
    tests.args(["test", "--workspace", "--all-features", "--test", "server", "--test", "rsyslog"]);
    tests.args(["--", "--show-output"]);
    tests.env("AURA_C_EXPORTER", example(bench, "prometheus_exporter")?);
    tests.env("AURA_C_SYSLOG", example(bench, "syslog_logging")?);
    cargo::status(&mut tests)
}
