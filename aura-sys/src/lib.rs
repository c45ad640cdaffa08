#![doc = include_str!("../README.md")]
#![allow(unsafe_code, reason = "declarations of C functions")]

#[allow(
    missing_docs,
    missing_debug_implementations,
    non_camel_case_types,
    non_upper_case_globals,
    unreachable_pub,
    clippy::all,
    reason = "generated from the header, where the documentation is"
)]
mod bindings;

pub use bindings::*;

// In the header these are inline, which bindgen does not see; the library has them as well.
unsafe extern "C" {
    /// Memory at an address.
    pub fn aura_buf(ptr: *mut libc::c_void) -> aura_buf_t;
    /// A place in a registered buffer; names no memory if `index` is negative.
    pub fn aura_buf_fixed(index: libc::c_int, offset: libc::size_t) -> aura_buf_t;
    /// The start of a registered buffer.
    pub fn aura_buf_fixed_idx(index: libc::c_int) -> aura_buf_t;
}
