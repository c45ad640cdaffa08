//! Several operations as one call.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::engine::Engine;
use crate::operation::{Kind, Operation};

/// Operations that are submitted together, to be awaited together. Made by
/// [`Engine::submit_batch`].
///
/// Its output are the outputs of the operations, in order. Dropping it cancels those that are not
/// over.
#[must_use = "a batch does nothing unless it is awaited"]
pub struct Batch<'f, K: Kind> {
    operations: Pin<Box<[Operation<'f, K>]>>,
    /// What has come out so far; as many as there are operations.
    outputs: Vec<Option<K::Output>>,
    submitted: bool,
}

impl Engine {
    /// Submits operations of one kind together: on one ring, under one lock, handed to the kernel
    /// with one call. Cheaper than one after the other, and they reach the device together.
    ///
    /// They are submitted when the batch is first polled. Those for which the in-flight limit
    /// leaves no room wait for their turn, in order; operations on files of another engine are
    /// submitted one by one.
    ///
    /// ```
    /// let engine = aura::Engine::new()?;
    /// let file = aura::File::from_std(&engine, std::fs::File::open("/proc/self/exe").unwrap());
    /// let reads = (0..4).map(|part| file.read_at(vec![0; 16], part * 16));
    /// for result in aura::block_on(&engine, engine.submit_batch(reads)) {
    ///     assert_eq!(result?.0, 16);
    /// }
    /// # Ok::<(), aura::Error>(())
    /// ```
    pub fn submit_batch<'f, K: Kind>(
        &self,
        operations: impl IntoIterator<Item = Operation<'f, K>>,
    ) -> Batch<'f, K> {
        let operations: Box<[_]> = operations.into_iter().collect();
        let outputs = operations.iter().map(|_| None).collect();
        Batch { operations: operations.into(), outputs, submitted: false }
    }
}

impl<'f, K: Kind> Batch<'f, K> {
    /// How many operations it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    /// Whether it has no operation, and is ready at once.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    fn operations(&mut self) -> impl Iterator<Item = Pin<&mut Operation<'f, K>>> {
        // SAFETY: the elements of a pinned slice are pinned: nothing moves them out of the box.
        let slice = unsafe { self.operations.as_mut().get_unchecked_mut() };
        // SAFETY: as above.
        slice.iter_mut().map(|operation| unsafe { Pin::new_unchecked(operation) })
    }
}

// The operations are pinned by their box.
impl<K: Kind> Unpin for Batch<'_, K> {}

impl<K: Kind> Future for Batch<'_, K> {
    type Output = Vec<K::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if !std::mem::replace(&mut this.submitted, true) {
            Operation::submit_together(this.operations(), context);
        }
        let mut outputs = std::mem::take(&mut this.outputs);
        let mut pending = false;
        for (operation, output) in this.operations().zip(&mut outputs) {
            if output.is_none() {
                match operation.poll(context) {
                    Poll::Ready(ready) => *output = Some(ready),
                    Poll::Pending => pending = true,
                }
            }
        }
        if pending {
            this.outputs = outputs;
            return Poll::Pending;
        }
        Poll::Ready(outputs.into_iter().flatten().collect())
    }
}

impl<K: Kind> std::fmt::Debug for Batch<'_, K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batch").field("operations", &self.operations).finish_non_exhaustive()
    }
}
