//! Where the requests of users are counted.

/// Where requests per minute and open requests are counted. Exhaustive: a platform has one or the other.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Places {
    /// In the memory of the only process, before a body is read.
    #[default]
    Memory,
    /// In the ledger, which several processes share.
    Ledger,
}
