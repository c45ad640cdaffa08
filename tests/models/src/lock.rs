//! Who a thread is. Loom runs its threads on one of the system's, so an address of a thread-local of
//! the system would be the same for all.

loom::thread_local! {
    static TOKEN: Box<u8> = Box::new(0);
}

pub(crate) fn thread_token() -> usize {
    TOKEN.with(|token| std::ptr::from_ref(&**token).addr())
}
