//! Several operations as one call.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

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
    /// So many of the first operations are over. Outputs stay where they are until all of them are.
    over: usize,
    /// Those that could not be submitted together, and are not submitted yet.
    single: Vec<usize>,
    /// Outputs of those that were refused when they were submitted singly.
    refused: Vec<(usize, K::Output)>,
    submitted: bool,
}

impl Engine {
    /// Submits operations of one kind together: on one ring, under one lock, handed to the kernel
    /// with one call, so that they reach the device together.
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
        let (single, refused) = (Vec::new(), Vec::new());
        Batch { operations: operations.into(), over: 0, single, refused, submitted: false }
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

    fn operation(&mut self, index: usize) -> Pin<&mut Operation<'f, K>> {
        // SAFETY: as in `operations`.
        unsafe { self.operations.as_mut().map_unchecked_mut(|all| &mut all[index]) }
    }

    fn submit(&mut self, context: &Context<'_>) {
        Operation::submit_together(self.operations(), context);
        let operations = self.operations.iter().enumerate();
        self.single = operations.filter(|(_, op)| !op.is_submitted()).map(|(i, _)| i).collect();
    }

    /// Submits those that are left, one by one.
    #[cold]
    fn submit_singly(&mut self, context: &mut Context<'_>) {
        for index in std::mem::take(&mut self.single) {
            match self.operation(index).poll(context) {
                Poll::Ready(output) => self.refused.push((index, output)),
                Poll::Pending if self.operations[index].is_submitted() => {}
                Poll::Pending => self.single.push(index),
            }
        }
    }

    /// Whether all are over. If not, the task is woken when the first that is not is over.
    fn poll_over(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while self.over < self.operations.len() {
            let index = self.over;
            ready!(self.operation(index).poll_over(context));
            self.over += 1;
        }
        Poll::Ready(())
    }

    /// The outputs, in order, when all are over.
    fn take_outputs(&mut self, context: &mut Context<'_>) -> Vec<K::Output> {
        let mut refused = std::mem::take(&mut self.refused);
        refused.sort_unstable_by_key(|(index, _)| *index);
        let mut refused = refused.into_iter().peekable();
        let mut outputs = Vec::with_capacity(self.operations.len());
        for (index, operation) in self.operations().enumerate() {
            if let Some((_, output)) = refused.next_if(|(refused, _)| *refused == index) {
                outputs.push(output);
            } else if let Poll::Ready(output) = operation.poll(context) {
                outputs.push(output);
            }
        }
        outputs
    }
}

// The operations are pinned by their box.
impl<K: Kind> Unpin for Batch<'_, K> {}

impl<K: Kind> Future for Batch<'_, K> {
    type Output = Vec<K::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if !std::mem::replace(&mut this.submitted, true) {
            this.submit(context);
        }
        if !this.single.is_empty() {
            this.submit_singly(context);
            if !this.single.is_empty() {
                return Poll::Pending;
            }
        }
        ready!(this.poll_over(context));
        Poll::Ready(this.take_outputs(context))
    }
}

impl<K: Kind> std::fmt::Debug for Batch<'_, K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batch").field("operations", &self.operations).finish_non_exhaustive()
    }
}
