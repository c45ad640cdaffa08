//! Structs that say how long they are, because the program and the library may be of different
//! ages.
//!
//! Shorter than ours: what is missing has its default. Longer: the bytes beyond have to be zero,
//! or else the program asks for something that this library does not know (`E2BIG`).

use std::mem::MaybeUninit;

use crate::errno::Refusal;

/// No struct of any version is longer. A longer one was not initialised, and is not looked into.
const MOST: usize = 4096;
const UNKNOWN_FIELDS: Refusal =
    Refusal::Own(libc::E2BIG, "the struct is longer than this library's and not zero beyond");

/// A struct as this library knows it, of which some may be the caller's and the rest defaults.
/// Fields are read one by one, as numbers: the caller's bytes need not be a valid `T`.
pub(crate) struct Completed<T> {
    value: MaybeUninit<T>,
}

impl<T: Copy> Completed<T> {
    pub(crate) fn as_ptr(&self) -> *const T {
        self.value.as_ptr()
    }

    pub(crate) fn byte(&self, at: usize) -> u8 {
        assert!(at < size_of::<T>());
        // SAFETY: inside the struct, and not padding: an offset of a field.
        unsafe { self.value.as_ptr().cast::<u8>().add(at).read() }
    }
}

/// Copies a struct whose first member is its length.
///
/// # Safety
///
/// `given` is null, or points to a `size_t` and as many bytes as that says (itself included).
#[inline]
pub(crate) unsafe fn read<T: Copy>(
    given: *const T,
    defaults: T,
    least: usize,
) -> Result<Completed<T>, Refusal> {
    if given.is_null() {
        return Err(Refusal::invalid("the struct is NULL"));
    }
    // SAFETY: by contract.
    let size = unsafe { given.cast::<usize>().read_unaligned() };
    if size < least {
        return Err(Refusal::invalid("struct_size is too small: call the struct's init function"));
    }
    // SAFETY: by contract.
    unsafe { zero_beyond(given, size)? };
    let mut value = MaybeUninit::new(defaults);
    // SAFETY: both are as long as the shorter of them.
    unsafe {
        let from = given.cast::<u8>();
        from.copy_to_nonoverlapping(value.as_mut_ptr().cast(), size.min(size_of::<T>()));
    }
    Ok(Completed { value })
}

/// Stores a struct into memory of the given size; as much of it as there is room for.
///
/// # Safety
///
/// `out` points to `size` bytes.
pub(crate) unsafe fn write<T: Copy>(out: *mut T, size: usize, value: &T) -> Result<(), Refusal> {
    // SAFETY: by contract.
    unsafe {
        zero_beyond(out, size)?;
        let from = std::ptr::from_ref(value).cast::<u8>();
        from.copy_to_nonoverlapping(out.cast(), size.min(size_of::<T>()));
    }
    Ok(())
}

/// # Safety
///
/// `given` points to `size` bytes.
unsafe fn zero_beyond<T>(given: *const T, size: usize) -> Result<(), Refusal> {
    let ours = size_of::<T>();
    if size <= ours {
        return Ok(());
    }
    if size > MOST {
        return Err(UNKNOWN_FIELDS);
    }
    // SAFETY: by contract.
    let beyond = unsafe { std::slice::from_raw_parts(given.cast::<u8>().add(ours), size - ours) };
    if beyond.iter().any(|byte| *byte != 0) { Err(UNKNOWN_FIELDS) } else { Ok(()) }
}
