//! A step on the table: several tries within its deadline.

use super::{
    failure::Failure,
    query,
    store::Session,
    transport::Transport,
    tries::{FailedTry, Tries},
};
use crate::swap::{Done, Failed, Step, Stored};

/// Runs a step.
pub(super) async fn run<T: Transport>(
    session: &Session<'_, T>,
    mut step: Step<'_, query::Key>,
    cached: &mut Option<Stored>,
) -> Result<Done, Failed> {
    let (mut tries, mut is_ambiguous) = (Tries::within(session.deadline()), false);
    loop {
        // After a failure the state is read: it shows what is stored.
        let FailedTry { failure, is_late } = match tries.run(step.run(session, cached.take())).await {
            Ok((done, stored)) => {
                *cached = Some(stored);
                return Ok(done);
            }
            Err(failed) => failed,
        };
        is_ambiguous |= failure.is_ambiguous();
        // Most of the time was lost to other processes, so the table works.
        let failure = if is_late && step.has_lost() { Failure::Busy } else { failure };
        if !tries.next(&failure).await {
            return Err(Failed { error: failure.error(), is_ambiguous, scope: failure.scope() });
        }
    }
}
