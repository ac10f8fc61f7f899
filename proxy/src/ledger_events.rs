//! Events of an engine, in the log.

use std::mem::{Discriminant, discriminant};

use sparekey_ledger::{Event, Events, LedgerError};

use crate::throttle::Throttle;

/// Logs the events of an engine.
#[must_use]
pub fn ledger_events() -> Events {
    let logged = Throttle::default();
    Events::new(move |event| log(event, &logged))
}

fn log(event: Event, logged: &Throttle<Discriminant<LedgerError>>) {
    match event {
        Event::ClockBack { user } => {
            tracing::warn!(%user, "the clock is more than an hour behind the last request: older periods count again");
        }
        Event::ProcessEnded { process, count } => {
            let process = process.0;
            tracing::warn!("{count} requests of the ended process {process:016x} are charged in full");
        }
        // An engine tries again at short intervals.
        Event::Failed(error) if logged.is_due(discriminant(&error)) => {
            tracing::error!("{error}; costs wait until they can be stored");
        }
        Event::SettleLost { user, id } => {
            tracing::error!(%user, "the cost of request {:032x} cannot be stored: it will be charged in full", id.0);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_kind_of_failure_is_logged_once_a_minute() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(subscriber, || {
            let events = ledger_events();
            for waiting in 0..3 {
                for error in [LedgerError::Overloaded(waiting), LedgerError::ReadOnly] {
                    events.send(Event::Failed(error));
                }
            }
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 2, "{text}");
    }
}
