//! Many futures as one: what to run on a thread that has no runtime.

mod bell;

/// The atomics of the bells, by a name of their own: `tests/models` has loom's there.
mod primitive {
    pub(super) use std::sync::atomic::{AtomicBool, AtomicU64};
}

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use bell::{Bells, Rung};

/// A set of futures that run concurrently in one task, made for I/O at a high rate.
///
/// It does what `FuturesUnordered` of the `futures` crate does, with the same methods, at a third
/// of the cost: waking a future is one atomic operation, and neither waking nor polling one
/// allocates or counts references.
///
/// Futures are first polled by [`next`](Self::next), which also drives the others while it waits.
/// They come out in the order in which they finish. Dropping the set drops them.
///
/// ```
/// use aura::{Engine, File, Tasks};
///
/// let engine = Engine::new()?;
/// let file = File::from_std(&engine, std::fs::File::open("/proc/self/exe").unwrap());
/// let total = aura::block_on(&engine, async {
///     // Sixteen loops, each of which has one read in flight.
///     let mut tasks: Tasks<_> = (0..16u64)
///         .map(|task| {
///             let file = &file;
///             async move {
///                 let (mut buffer, mut total) = (vec![0; 512], 0);
///                 for block in (task..64).step_by(16) {
///                     let (bytes, back) = file.read_at(buffer, block * 512).await?;
///                     (buffer, total) = (back, total + bytes);
///                 }
///                 Ok::<_, aura::Error>(total)
///             }
///         })
///         .collect();
///     let mut total = 0;
///     while let Some(bytes) = tasks.next().await {
///         total += bytes?;
///     }
///     Ok::<_, aura::Error>(total)
/// })?;
/// assert_eq!(total, 64 * 512);
/// # Ok::<(), aura::Error>(())
/// ```
pub struct Tasks<F> {
    /// By number; the numbers of empty places are in `free`.
    futures: Vec<Option<Pin<Box<F>>>>,
    free: Vec<usize>,
    bells: Bells,
    /// Those that were woken, and are being polled one after the other.
    rung: Rung,
}

impl<F: Future> Tasks<F> {
    /// An empty set.
    #[must_use]
    pub fn new() -> Self {
        Self { futures: Vec::new(), free: Vec::new(), bells: Bells::new(), rung: Rung::default() }
    }

    /// Adds a future.
    pub fn push(&mut self, future: F) {
        let future = Some(Box::pin(future));
        let number = match self.free.pop() {
            Some(number) => {
                self.futures[number] = future;
                number
            }
            None => {
                self.futures.push(future);
                self.futures.len() - 1
            }
        };
        self.bells.make_room(number);
        self.bells.ring(number);
    }

    /// How many futures have not come out yet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.futures.len() - self.free.len()
    }

    /// Whether all have come out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits for the next future to finish, and returns its output; `None` when the set is empty.
    ///
    /// Dropping what this returns loses nothing: it is the set that owns the futures.
    pub async fn next(&mut self) -> Option<F::Output> {
        poll_fn(|context| self.poll_next_output(context)).await
    }

    fn poll_next_output(&mut self, context: &mut Context<'_>) -> Poll<Option<F::Output>> {
        if self.is_empty() {
            return Poll::Ready(None);
        }
        // What is woken from here on wakes this task; what was before is found below.
        self.bells.listen(context.waker());
        // Every bell is looked at once, so that futures that wake themselves let others have a
        // turn: they ring again, and that wakes this task.
        self.rung.begin(&self.bells);
        while let Some(number) = self.rung.next(&self.bells) {
            // It may be that of a future which has come out, or of another set before.
            let Some(Some(future)) = self.futures.get_mut(number) else { continue };
            let waker = self.bells.waker(number);
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                self.futures[number] = None;
                self.free.push(number);
                return Poll::Ready(Some(output));
            }
        }
        Poll::Pending
    }
}

impl<F: Future> Default for Tasks<F> {
    fn default() -> Self {
        Self::new()
    }
}

impl<F: Future> Extend<F> for Tasks<F> {
    fn extend<I: IntoIterator<Item = F>>(&mut self, futures: I) {
        futures.into_iter().for_each(|future| self.push(future));
    }
}

impl<F: Future> FromIterator<F> for Tasks<F> {
    fn from_iter<I: IntoIterator<Item = F>>(futures: I) -> Self {
        let mut tasks = Self::new();
        tasks.extend(futures);
        tasks
    }
}

#[cfg(feature = "stream")]
impl<F: Future> futures_core::Stream for Tasks<F> {
    type Item = F::Output;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<F::Output>> {
        self.get_mut().poll_next_output(context)
    }
}

impl<F> std::fmt::Debug for Tasks<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tasks")
            .field("len", &(self.futures.len() - self.free.len()))
            .finish_non_exhaustive()
    }
}
