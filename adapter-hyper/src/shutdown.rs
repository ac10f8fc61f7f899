//! Signals: reload, and the steps of a shutdown.

use std::{future::Future, io, pin::Pin, sync::Arc, sync::mpsc::SyncSender, time::Duration};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
    time::sleep,
};

use crate::listen::Places;

/// What other tasks see of a shutdown.
pub(crate) struct ShutdownState {
    /// False once a balancer should send no more requests.
    pub(crate) ready: watch::Receiver<bool>,
    /// True once no more connections are accepted.
    pub(crate) draining: watch::Receiver<bool>,
    pub(crate) stop: Stop,
}

/// Ends the server at once: it accepts nothing, and open requests are cut.
#[derive(Clone)]
pub(crate) struct Stop {
    draining: watch::Sender<bool>,
    cutting: watch::Sender<bool>,
}

impl Stop {
    pub(crate) fn now(&self) {
        self.draining.send_replace(true);
        self.cutting.send_replace(true);
    }

    pub(crate) async fn requested(&self) {
        // This sender keeps the channel open.
        let _ = self.cutting.subscribe().wait_for(|cutting| *cutting).await;
    }
}

/// Waits for signals.
pub(crate) struct Shutdown {
    ready: watch::Sender<bool>,
    draining: watch::Sender<bool>,
    stop: Stop,
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    /// Between the first signal and the drain.
    delay: Duration,
}

impl Shutdown {
    pub(crate) fn new(delay: Duration) -> io::Result<(Self, ShutdownState)> {
        let ((ready, ready_state), (draining, draining_state)) = (watch::channel(true), watch::channel(false));
        let stop = Stop { draining: draining.clone(), cutting: watch::Sender::new(false) };
        let [terminate, interrupt, hangup] =
            [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()].map(signal);
        let (terminate, interrupt, hangup) = (terminate?, interrupt?, hangup?);
        let state = ShutdownState { ready: ready_state, draining: draining_state, stop: stop.clone() };
        Ok((Self { ready, draining, stop, terminate, interrupt, hangup, delay }, state))
    }

    /// Serves until the drain is over. SIGHUP sends a message to `reload`.
    ///
    /// # Errors
    /// Those of `serving`, and a second signal.
    pub(crate) async fn run(
        mut self,
        mut serving: Pin<&mut impl Future<Output = io::Result<()>>>,
        reload: SyncSender<()>,
        places: Arc<Places>,
    ) -> io::Result<()> {
        let mut delayed = None;
        loop {
            let delay = async {
                match delayed.as_mut() {
                    Some(sleep) => Pin::new(sleep).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                result = &mut serving => return result,
                () = delay => {
                    delayed = None;
                    self.drain(&places);
                    continue;
                }
                _ = self.terminate.recv() => {}
                _ = self.interrupt.recv() => {}
                _ = self.hangup.recv() => {
                    // If one is waiting, it will read the newest files too.
                    let _ = reload.try_send(());
                    continue;
                }
            }
            if !self.ready.send_replace(false) {
                self.stop.now();
                serving.await?;
                return Err(io::Error::other("ended by a second signal"));
            }
            if self.delay.is_zero() {
                self.drain(&places);
            } else {
                tracing::info!("draining in {:?}; /readyz is 503 until then", self.delay);
                delayed = Some(Box::pin(sleep(self.delay)));
            }
        }
    }

    fn drain(&self, places: &Places) {
        let open = places.open_requests();
        tracing::info!("draining {open} open requests: no new connections; a second signal ends at once");
        self.draining.send_replace(true);
    }
}
