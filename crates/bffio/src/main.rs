//! The program `bffio`.

fn main() {}
