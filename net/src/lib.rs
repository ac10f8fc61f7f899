//! Connections without HTTP, for the server's listeners, the upstream client and the demo.
//!
//! **In scope:** accepting, one stream type for plain and TLS connections, small writes, timers and wake-ups that cost
//! little per stream, suspends of the machine.
//!
//! **Out of scope:** HTTP, name lookup, certificates.

mod accept;
mod coalesce;
mod deadline;
mod poll_on_wake;
mod stream;
mod suspend;
mod timer;
mod tls_socket;

pub use self::{
    accept::accept, coalesce::poll_write_coalesced, deadline::MovingDeadline, poll_on_wake::PollOnWake, stream::Stream,
    suspend::SuspendMark, timer::Timer, tls_socket::TlsSocket,
};
