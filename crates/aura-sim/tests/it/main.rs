//! The simulator against theory, and the baselines against what they are known for.

mod baselines;
mod original;
mod selfcheck;
