//! What the long tests share: random numbers that a seed repeats, numbers on the command line, a way out
//! on Ctrl-C, and how they end.
//!
//! | program | what it does |
//! | --- | --- |
//! | `soak` | as many operations as asked for, with faults and threads that come and go; everything is counted |
//! | `fuzz` | random sequences of calls of the C interface, with an oracle that knows what each may answer |

pub mod arguments;
pub mod interrupt;
pub mod random;
pub mod verdict;
