//! Compiles the one function of the library that Rust cannot define.

fn main() {
    for input in ["shim/log_emit.c", "include"] {
        println!("cargo::rerun-if-changed={input}");
    }
    cc::Build::new()
        .file("shim/log_emit.c")
        .include("include")
        .std("c11")
        .flags(["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion"])
        .flags(["-fvisibility=hidden", "-ffunction-sections"])
        .compile("aura_shim");
}
