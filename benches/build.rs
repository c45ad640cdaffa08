//! Compiles the benchmark rows in C and C++, where there are compilers for them.

use std::io::Write;

const INCLUDES: [&str; 2] = ["../aura-cpp/include", "../aura-ffi/include"];

fn main() {
    for input in ["native"].into_iter().chain(INCLUDES) {
        println!("cargo::rerun-if-changed={input}");
    }
    compile("has_c", "native/callback.c", false, "c11");
    compile("has_cpp", "native/coroutine.cpp", true, "c++20");
}

/// Compiles a source as users would, and says in a `cfg` whether that worked: if not, only its rows are
/// missing, and their absence is reported.
fn compile(cfg: &str, source: &str, is_cpp: bool, standard: &str) {
    println!("cargo::rustc-check-cfg=cfg({cfg})");
    let compiled = cc::Build::new()
        .cpp(is_cpp)
        .std(standard)
        .file(source)
        .includes(INCLUDES)
        .opt_level(2)
        .force_frame_pointer(false) // As in Rust.
        .try_compile(&format!("aura_bench_{cfg}"));
    match compiled {
        Ok(()) => println!("cargo::rustc-cfg={cfg}"),
        Err(error) => drop(writeln!(std::io::stderr(), "no rows of {source}: {error}")),
    }
}
