//! Finds libaura: where `AURA_LIB_DIR` says, or by pkg-config.
//!
//! A missing library is no error here, because types and constants need none.

use std::env;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(aura_found)");
    for variable in ["AURA_LIB_DIR", "AURA_STATIC"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    let is_static = env::var("AURA_STATIC").is_ok_and(|value| value == "1");
    if let Some(folder) = env::var("AURA_LIB_DIR").ok().filter(|folder| !folder.is_empty()) {
        let kind = if is_static { "static" } else { "dylib" };
        println!("cargo::rustc-link-search=native={folder}");
        println!("cargo::rustc-link-lib={kind}=aura");
        println!("cargo::metadata=lib_dir={folder}");
        println!("cargo::rustc-cfg=aura_found");
        return;
    }
    let version = env!("CARGO_PKG_VERSION");
    match pkg_config::Config::new().atleast_version(version).statik(is_static).probe("aura") {
        Ok(_) => println!("cargo::rustc-cfg=aura_found"),
        // In the workspace the library is built by `cargo xtask`, and nobody needs the reminder.
        Err(_) if std::path::Path::new("../aura-ffi/Cargo.toml").exists() => {}
        Err(_) => println!(
            "cargo::warning=no libaura {version} by pkg-config: programs that call it will not link; \
             cargo xtask install, or set AURA_LIB_DIR"
        ),
    }
}
