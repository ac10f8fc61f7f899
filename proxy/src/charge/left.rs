//! How long a request goes on without its client.

use std::time::Duration;

use sparekey_core::UserKey;
use tokio::time::{interval, sleep};

use super::{Charges, LONGEST};

/// How long a stream is read on after its client left, so that it is charged exactly.
const READ_ON: Duration = Duration::from_secs(30);
/// Between two looks at the settings for a key that was removed, while a response is read on.
const REVOKED_CHECK: Duration = Duration::from_secs(1);

impl Charges {
    /// Waits until a request whose client left must end: its key was removed, the process ends, or a stream takes too long. A
    /// response that is not streamed is read to its end.
    pub(crate) async fn left(&self, key: &UserKey, is_streamed: bool) {
        let mut closing = self.0.closing.subscribe();
        let revoked = async {
            let mut check = interval(REVOKED_CHECK);
            while self.accepts(key) {
                check.tick().await;
            }
        };
        let late = async {
            sleep(if is_streamed { READ_ON } else { LONGEST }).await;
        };
        tokio::select! {
            _ = closing.wait_for(|closing| *closing) => {}
            () = revoked => {}
            () = late => {}
        }
    }
}
