//! One suite that every adapter passes.

pub mod adapter;
pub mod case;
pub mod core;
pub mod table;
pub mod verdict;
