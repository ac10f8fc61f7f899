//! `sparekey users compile`: the users in the form that the Worker reads. One without a ledger refuses limits that need it.

use sparekey_policy::{Enforced, KeySource};

use super::{context::Context, edit, file};
use crate::commands::{Failure, print};

pub(super) fn run(context: &Context) -> Result<(), Failure> {
    let text = file::read(&context.path)?;
    let users = context.validate_for(&text, Enforced::ALL, |source| match source {
        KeySource::File(_) => {
            Err("names a file, which the Worker cannot read; store the key as a secret, and name it: env:NAME"
                .to_owned())
        }
        // A secret of the Worker.
        KeySource::Env(_) => Ok(String::from("unknown")),
    });
    let users = users.map_err(|problems| edit::invalid("does not fit the Worker", context, &problems))?;
    print(&format!("{}\n", users.to_json()))
}
