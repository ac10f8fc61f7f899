//! How far a command is, for people.

use std::io::{self, IsTerminal as _};

/// A line on the terminal that is written again and again; nothing elsewhere.
pub(crate) struct Progress {
    is_shown: bool,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self { is_shown: io::stderr().is_terminal() }
    }

    /// Of a command that prints while it reads: its output on the same terminal shows how far it is.
    pub(crate) fn beside_output() -> Self {
        Self { is_shown: io::stderr().is_terminal() && !io::stdout().is_terminal() }
    }

    pub(crate) fn show(&self, text: &str) {
        if self.is_shown {
            eprint!("\r\x1b[K{text}");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.show("");
    }
}
