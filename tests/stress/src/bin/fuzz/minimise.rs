//! Leaving steps out of a failing case, as long as it fails.

/// Runs of the case at most.
const RUNS_MAX: usize = 200;

/// A smallest subset of the steps that still `fails`, or close to it: Zeller and Hildebrandt, "Simplifying and
/// isolating failure-inducing input" (2002), without the second half of it. Parts of half the steps are
/// left out, then of a quarter, and so on.
pub(crate) fn minimise(steps: Vec<u32>, mut fails: impl FnMut(&[u32]) -> bool) -> Vec<u32> {
    let mut kept = steps;
    let mut part = kept.len().div_ceil(2).max(1);
    let mut runs = 0;
    loop {
        let mut at = 0;
        let mut shrunk = false;
        while at < kept.len() && runs < RUNS_MAX {
            let mut without = kept.clone();
            without.drain(at..(at + part).min(kept.len()));
            runs += 1;
            if fails(&without) {
                kept = without;
                shrunk = true;
            } else {
                at += part;
            }
        }
        if runs >= RUNS_MAX || (part == 1 && !shrunk) {
            return kept;
        }
        part = part.div_ceil(2).max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_matter_is_left_out() {
        let fails = |steps: &[u32]| steps.contains(&7) && steps.contains(&31);
        assert_eq!(minimise((0..60).collect(), fails), [7, 31]);
        assert_eq!(minimise((0..5).collect(), |_| true), [0; 0]);
    }

    #[test]
    fn a_case_that_needs_all_its_steps_keeps_them() {
        assert_eq!(minimise((0..9).collect(), |steps| steps.len() == 9).len(), 9);
    }
}
