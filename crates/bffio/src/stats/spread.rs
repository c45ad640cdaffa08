//! How I/Os spread over depths and over latencies, in fio's classes.

/// Classes of depths.
pub const DEPTH_CLASSES: usize = 7;
/// Names of the classes of the depth at submission: the smallest depth of each.
pub const DEPTH_LEVELS: [&str; DEPTH_CLASSES] = ["1", "2", "4", "8", "16", "32", ">=64"];
/// Names of the classes of batches: the largest of each.
pub const BATCH_LEVELS: [&str; DEPTH_CLASSES] = ["0", "4", "8", "16", "32", "64", ">=64"];

/// Names of the classes below a microsecond, and below a millisecond: the smallest that is too large.
pub const LATENCY_LEVELS: [&str; 10] =
    ["2", "4", "10", "20", "50", "100", "250", "500", "750", "1000"];
/// Names of the classes from a millisecond.
pub const LATENCY_LEVELS_MS: [&str; 12] =
    ["2", "4", "10", "20", "50", "100", "250", "500", "750", "1000", "2000", ">=2000"];

/// Ends of the classes in their unit; the last of the milliseconds is open.
const ENDS: [u64; 10] = [2, 4, 10, 20, 50, 100, 250, 500, 750, 1000];
const CLASSES: usize = 32;
const EDGES_NS: [u64; CLASSES - 1] = edges_ns();

const fn edges_ns() -> [u64; CLASSES - 1] {
    let mut edges = [0; CLASSES - 1];
    let mut class = 0;
    while class < 30 {
        edges[class] = ENDS[class % 10] * 1000_u64.pow((class / 10) as u32);
        class += 1;
    }
    edges[30] = 2_000_000_000;
    edges
}

/// For each number of bits: how many edges lie below, and the (at most two) edges among the values of
/// so many bits. That finds a class without a search.
const OCTAVES: [(u8, u64, u64); 65] = octaves();

const fn octaves() -> [(u8, u64, u64); 65] {
    let mut octaves = [(0, u64::MAX, u64::MAX); 65];
    let mut bits = 0;
    while bits < 65 {
        let first: u64 = if bits == 0 { 0 } else { 1 << (bits - 1) };
        let last: u64 = if bits == 64 { u64::MAX } else { (1 << bits) - 1 };
        let mut class = 0;
        while class < EDGES_NS.len() {
            let edge = EDGES_NS[class];
            if edge <= first {
                octaves[bits].0 += 1;
            } else if edge <= last {
                if octaves[bits].1 == u64::MAX {
                    octaves[bits].1 = edge;
                } else {
                    octaves[bits].2 = edge;
                }
            }
            class += 1;
        }
        bits += 1;
    }
    octaves
}

/// I/Os by class of latency.
#[derive(Clone, Copy, Debug, Default)]
pub struct LatencySpread {
    counts: [u64; CLASSES],
}

impl LatencySpread {
    /// Counts a latency.
    #[inline]
    pub fn add(&mut self, latency_ns: u64) {
        self.counts[class(latency_ns)] += 1;
    }

    /// Adds another's counts.
    pub fn merge(&mut self, other: &Self) {
        add_all(&mut self.counts, &other.counts);
    }

    /// Percent of `total` below a microsecond, below a millisecond, and above, by class.
    #[must_use]
    pub fn shares(&self, total: u64) -> ([f64; 10], [f64; 10], [f64; 12]) {
        let share = |class: usize| percent_at_least(self.counts[class], total, 0.01);
        (
            std::array::from_fn(share),
            std::array::from_fn(|class| share(10 + class)),
            std::array::from_fn(|class| share(20 + class)),
        )
    }
}

#[inline]
fn class(latency_ns: u64) -> usize {
    let (below, first, second) = OCTAVES[64 - latency_ns.leading_zeros() as usize];
    let class = usize::from(below) + usize::from(latency_ns >= first);
    // The largest number of all would pass the edges that are not there, too.
    (class + usize::from(latency_ns >= second)).min(CLASSES - 1)
}

/// I/Os by depth and batch.
#[derive(Clone, Copy, Debug, Default)]
pub struct DepthSpread {
    /// I/Os by how many were in flight when they were submitted, themselves included.
    pub level: [u64; DEPTH_CLASSES],
    /// Submissions by how many went together.
    pub submit: [u64; DEPTH_CLASSES],
    /// Completions by how many came together.
    pub complete: [u64; DEPTH_CLASSES],
}

impl DepthSpread {
    /// Counts an I/O that makes it `in_flight`.
    #[inline]
    pub fn at_depth(&mut self, in_flight: u32) {
        self.level[(in_flight.max(1).ilog2() as usize).min(DEPTH_CLASSES - 1)] += 1;
    }

    /// Counts I/Os that were submitted together.
    #[inline]
    pub fn submitted(&mut self, together: usize) {
        self.submit[batch_class(together)] += 1;
    }

    /// Counts I/Os that completed together.
    #[inline]
    pub fn completed(&mut self, together: usize) {
        self.complete[batch_class(together)] += 1;
    }

    /// Adds another's counts.
    pub fn merge(&mut self, other: &Self) {
        add_all(&mut self.level, &other.level);
        add_all(&mut self.submit, &other.submit);
        add_all(&mut self.complete, &other.complete);
    }
}

/// Percent of all of `counts`, by class.
#[must_use]
pub fn depth_shares(counts: &[u64; DEPTH_CLASSES]) -> [f64; DEPTH_CLASSES] {
    let total = counts.iter().sum();
    counts.map(|count| percent_at_least(count, total, 0.1))
}

#[inline]
fn batch_class(together: usize) -> usize {
    match together {
        0 => 0,
        1..=4 => 1,
        _ => ((together - 1).ilog2() as usize).min(DEPTH_CLASSES - 1),
    }
}

/// A share in percent; what is there at all shows as `least` or more.
fn percent_at_least(count: u64, total: u64, least: f64) -> f64 {
    if count == 0 || total == 0 {
        return 0.0;
    }
    (count as f64 / total as f64 * 100.0).max(least)
}

fn add_all(counts: &mut [u64], more: &[u64]) {
    counts.iter_mut().zip(more).for_each(|(count, more)| *count += more);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_end_where_they_say() {
        for (index, edge) in EDGES_NS.into_iter().enumerate() {
            assert_eq!((class(edge - 1), class(edge)), (index, index + 1), "at {edge} ns");
        }
        assert_eq!((class(0), class(u64::MAX)), (0, CLASSES - 1));
    }

    #[test]
    fn depths_and_batches_fall_into_the_classes_of_fio() {
        let mut spread = DepthSpread::default();
        [1, 2, 3, 4, 63, 64, 1000].into_iter().for_each(|depth| spread.at_depth(depth));
        assert_eq!(spread.level, [1, 2, 1, 0, 0, 1, 2]);
        [0, 1, 4, 5, 8, 9, 64, 65].into_iter().for_each(|together| spread.submitted(together));
        assert_eq!(spread.submit, [1, 2, 2, 1, 0, 1, 1]);
    }

    #[test]
    fn what_is_rare_still_shows() {
        assert_eq!(depth_shares(&[0, 1, 4095, 0, 0, 0, 0])[..2], [0.0, 0.1]);
        let mut spread = LatencySpread::default();
        spread.add(1_500);
        let (ns, us, ms) = spread.shares(1_000_000);
        assert_eq!((ns, us[0], ms), ([0.0; 10], 0.01, [0.0; 12]));
    }
}
