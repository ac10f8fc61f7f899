//! Has no code: the programs are in `examples/` and `benches/`.
