//! Why the body of a request cannot be used.

use std::time::Duration;

/// Why the body of a request whose user has limits cannot be used.
// Exhaustive: the gate has an error response for each.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum BodyFailure {
    /// It cannot be read in one way only. The text is for the client.
    Invalid {
        /// What is wrong and what to do.
        message: String,
        /// `error.param`.
        param: Option<String>,
    },
    /// It is compressed. The text is for the client.
    Encoding(String),
    /// It is longer than this many bytes.
    TooLarge(usize),
    /// It did not arrive within this time.
    TimedOut(Duration),
    /// The client broke it off.
    Incomplete,
    /// The user's other bodies take all memory that one user may have.
    OwnMemory,
    /// The bodies of all users take all memory.
    Memory,
}
