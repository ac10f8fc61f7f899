//! One suite that every adapter passes.

pub mod adapter;
