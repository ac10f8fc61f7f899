//! The access log: one line per request, at its end.

use std::time::Duration;

use crate::record::{End, RequestRecord, Sink};

/// The target of the lines, which `LOG` can name.
const TARGET: &str = "sparekey::access";

/// Writes a line per request at level `info`.
#[derive(Debug)]
pub struct AccessLog;

impl Sink for AccessLog {
    fn is_enabled(&self) -> bool {
        tracing::enabled!(target: TARGET, tracing::Level::INFO)
    }

    fn finished(&self, request: &RequestRecord, end: End) {
        let end = match end {
            End::Complete => "complete",
            End::Cut => "cut",
            End::ClientLeft => "client left",
        };
        tracing::info!(
            target: TARGET,
            user = request.user.as_deref().unwrap_or("-"),
            method = %request.method,
            path = request.path,
            status = request.response.map_or(0, |(status, _)| status.as_u16()),
            code = request.rejection,
            client = request.rejection.and(request.client).map(tracing::field::display),
            head_ms = request.response.map(|(_, head)| milliseconds(head)),
            total_ms = milliseconds(request.elapsed()),
            bytes = request.bytes,
            end,
            "request"
        );
    }
}

fn milliseconds(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}
