#!/bin/sh
# The rustdoc of `cargo xtask api`. Its JSON is for those who say that they know, by this variable, which must
# not be set for the compiler: build scripts look at it, and everything would be built again.
RUSTC_BOOTSTRAP=1 exec rustdoc "$@"
