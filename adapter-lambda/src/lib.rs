//! The event reader of the Lambda function.
//!
//! It is a library so that the conformance suite can compare it with `lambda_http`'s reader. The function itself is
//! the binary of this package.

pub mod event;
mod pairs;
pub mod target;
