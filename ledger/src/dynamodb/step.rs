//! A step on the table: several tries within its deadline.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use super::{failure::Failure, query, store::Session, transport::Transport};
use crate::swap::{Done, Failed, Step, Stored};

/// Before the next try, doubled each time.
const PAUSE: Duration = Duration::from_millis(10);

/// Runs a step.
pub(super) async fn run<T: Transport>(
    session: &Session<'_, T>,
    mut step: Step<'_, query::Key>,
    cached: &mut Option<Stored>,
) -> Result<Done, Failed> {
    let deadline = Instant::now() + session.deadline();
    let (mut is_ambiguous, mut pause) = (false, PAUSE);
    loop {
        // After a failure the state is read: it shows what is stored.
        let run = timeout_at(deadline, step.run(session, cached.take())).await;
        let is_late = run.is_err();
        let failure = match run {
            Ok(Ok((done, stored))) => {
                *cached = Some(stored);
                return Ok(done);
            }
            Ok(Err(failure)) => failure,
            Err(_) => Failure::Unknown(format!("DynamoDB: no response within {:?}", session.deadline())),
        };
        is_ambiguous |= failure.is_ambiguous();
        // Most of the time was lost to other processes, so the table works.
        let failure = if is_late && step.has_lost() { Failure::Busy } else { failure };
        if !failure.may_retry() || deadline.saturating_duration_since(Instant::now()) < pause {
            return Err(Failed {
                error: failure.error(),
                is_ambiguous,
                is_of_one_user: failure.is_of_one_user(),
                is_of_one_call: failure.is_of_one_call(),
            });
        }
        sleep(pause).await;
        pause *= 2;
    }
}
