//! A span for each awaited operation: from its making until it is dropped, with its kind and its result.

use aura_engine::{Failure, Op};

#[derive(Clone, Debug)]
pub(crate) struct Span(tracing::Span);

impl Span {
    pub(crate) fn of(op: &aura_engine::Result<Op>) -> Self {
        let kind = op.as_ref().map_or("invalid", |op| op.kind().name());
        Self(tracing::trace_span!(
            target: "aura::operation",
            "operation",
            op = kind,
            result = tracing::field::Empty
        ))
    }

    pub(crate) fn enter(&self) -> tracing::span::Entered<'_> {
        self.0.enter()
    }

    /// Bytes or descriptor, or the negative of an errno.
    pub(crate) fn record(&self, result: &Result<i32, Failure>) {
        let number = match result {
            Ok(number) => *number,
            Err(Failure::Kernel(errno)) => -errno,
            Err(Failure::Refused(error)) => -error.errno(),
            Err(Failure::Misaligned(_)) => -libc::EINVAL,
        };
        self.0.record("result", number);
    }
}
