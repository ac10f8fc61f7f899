//! Counts the instructions of a program with callgrind. The programs are in `examples/` and `benches/`.

mod callgrind;

pub use callgrind::{Count, count_self};
