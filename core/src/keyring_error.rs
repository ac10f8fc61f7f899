//! Why `ACCESS_KEYS` is invalid.

use crate::{access_key::KeyError, list::Position};

/// Why `ACCESS_KEYS` is invalid. Positions skip empty items.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyringError {
    /// No item at all.
    #[error("contains no key; make one with `sparekey keygen NAME`")]
    Empty,
    /// An item that is neither a key nor a digest item.
    #[error("{position}: {cause}")]
    Item {
        /// The item's position.
        position: Position,
        /// Why it is invalid.
        cause: ItemError,
    },
    /// Another API key of OpenAI: its user may spend without this proxy.
    #[error("{position} is an API key of OpenAI; give users keys made with `sparekey keygen NAME`")]
    OpenAiKey {
        /// The item's position.
        position: Position,
    },
    /// An item that occurs twice.
    #[error("{position} repeats an earlier item")]
    Duplicate {
        /// The item's position.
        position: Position,
    },
    /// The owner's API key or gateway token, which must stay secret.
    #[error("{position} is the API key itself; give users keys made with `sparekey keygen NAME`")]
    ApiKey {
        /// The item's position.
        position: Position,
    },
}

/// Why an item of `ACCESS_KEYS` is invalid.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ItemError {
    /// Not an access key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Several keys.
    #[error("keys are separated by commas or newlines")]
    Separator,
    /// It begins with `sha256:`, but is not a digest item.
    #[error("a digest item is sha256:{{user}}:{{64 hexadecimal digits}}")]
    Digest,
}
