//! Compiles the benchmark row in C++, where there is a compiler for it.

use std::io::Write;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(has_cpp)");
    for input in ["cpp/coroutine.cpp", "../aura-cpp/include", "../aura-ffi/include/aura.h"] {
        println!("cargo::rerun-if-changed={input}");
    }
    let compiled = cc::Build::new()
        .cpp(true)
        .std("c++20")
        .file("cpp/coroutine.cpp")
        .includes(["../aura-cpp/include", "../aura-ffi/include"])
        .opt_level(2)
        .force_frame_pointer(false) // As in Rust.
        .try_compile("aura_bench_cpp");
    match compiled {
        Ok(()) => println!("cargo::rustc-cfg=has_cpp"),
        // Only one row is missing then, and its absence is reported.
        Err(error) => drop(writeln!(std::io::stderr(), "no row in C++: {error}")),
    }
}
