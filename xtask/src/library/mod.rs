//! The C library and the C++ layer: building, installing, trying them out, manual pages.
//!
//! | module | what lives there |
//! | --- | --- |
//! | `build` | libaura.so and libaura.a from the crate `aura-ffi` |
//! | `install` | laying down and removing a prefix |
//! | `header`, `man` | reading aura.h; manual pages from it |
//! | `program` | bffio, where that is installed too |
//! | `suite`, `consumers` | tests, examples, and projects that use an installed prefix |
//! | `servers` | exporters, tried on what they export to |
//! | `cpp` | the same for the C++ layer |
//! | `verdicts` | how those are counted, and tools that may be missing |

mod build;
mod consumers;
mod cpp;
mod header;
pub(crate) mod install;
mod man;
mod program;
mod servers;
mod suite;
mod verdicts;

use clap::{Args, Subcommand};

use crate::{Outcome, cargo};
pub(crate) use build::{build, target_folder};
use suite::Bench;
use verdicts::Verdicts;

#[derive(Args, Debug)]
pub(crate) struct Library {
    #[command(subcommand)]
    which: Which,
}

#[derive(Debug, Subcommand)]
enum Which {
    /// The header by itself, exported names, needed libraries, manual pages
    Check,
    /// The test suite in C: compilers, shared and static, sanitizers, valgrind; --quick for one of them
    Test(Quick),
    /// The examples in C, likewise
    Examples(Quick),
    /// The C++ headers alone, without exceptions, what must not compile, the code of docs/cpp.md
    CppCheck,
    /// The test suite in C++: compilers, standards, sanitizers, valgrind; --quick for one of them
    CppTest(HowMuch),
    /// The examples in C++, likewise
    CppExamples(Quick),
    /// Projects that find the library by pkg-config and CMake, in an installed and in a moved prefix
    Consumers,
    /// The bindings of aura-sys, on the real library
    Abi,
    /// The exporters, in Rust and C, with a real Prometheus and a real rsyslog
    Servers,
}

#[derive(Args, Debug)]
struct Quick {
    /// One configuration only
    #[arg(long)]
    quick: bool,
}

#[derive(Args, Debug)]
struct HowMuch {
    /// One configuration only
    #[arg(long, conflicts_with = "long")]
    quick: bool,
    /// With another release of clang, too, if it is here
    #[arg(long)]
    long: bool,
}

pub(crate) fn run(library: &Library) -> Outcome {
    let bench = Bench::new()?;
    let mut verdicts = Verdicts::default();
    match &library.which {
        Which::Check => suite::check(&bench, &mut verdicts),
        Which::Test(Quick { quick }) => suite::test(&bench, *quick, &mut verdicts),
        Which::Examples(Quick { quick }) => suite::examples(&bench, *quick, &mut verdicts)?,
        Which::CppCheck => cpp::check(&bench, &mut verdicts),
        Which::CppTest(HowMuch { quick, long }) => cpp::test(&bench, *quick, *long, &mut verdicts),
        Which::CppExamples(Quick { quick }) => cpp::examples(&bench, *quick, &mut verdicts)?,
        Which::Consumers => consumers::run_all(&bench, &mut verdicts)?,
        Which::Abi => return abi(&bench),
        Which::Servers => return servers::run(&bench),
    }
    Ok(verdicts.finish())
}

/// Runs the tests of `aura-sys`, linked with what was just built.
fn abi(bench: &Bench) -> Outcome {
    let lib = bench.prefix.join("lib");
    let mut tests = cargo::cargo();
    tests.args(["test", "--package", "aura-sys", "--test", "abi", "--", "--show-output"]);
    tests.env("AURA_LIB_DIR", &lib).env("LD_LIBRARY_PATH", &lib);
    cargo::status(&mut tests)
}
