//! What the ledger needs of a request.

use worker::{Env, web_sys::Request, worker_sys::Context};

use crate::fields::Fields;

/// A request of a user with limits.
pub(crate) struct Incoming {
    pub(crate) request: Request,
    pub(crate) fields: Fields,
    pub(crate) env: Env,
    pub(crate) context: Context,
}
