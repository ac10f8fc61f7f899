//! HTTP/2 to the upstream.
//!
//! **In scope:** connections, each with as many requests at once as the upstream takes on it; a request's body and the
//! answer's, both as they come. A task moves each connection on; a request needs none.
//! **Out of scope:** frames, flow control and header compression, which are `h2`'s; which requests come this way.

mod body;
mod sending;

use std::{
    future::{Future as _, poll_fn},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use h2::{
    Ping, PingPong,
    client::{Builder, Connection, SendRequest},
};
use http::{Request, Response};
use http_body::Body;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{sleep, timeout},
};

pub(crate) use self::body::ReceivedBody;
use self::sending::Sending;
use super::{BoxError, http1::head};
use crate::{aside::Aside, stream::Stream, upload::Upload};

/// A dead connection would swallow every request until each timed out.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// How much of an answer may wait for its client.
const STREAM_WINDOW: u32 = 1 << 20;
/// The most there is: answers that wait must not hold up the others.
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;
/// What small pieces that wait may take beyond their bytes, on a connection.
const OVERHEAD_MAX: usize = 32 << 20;
/// Of an answer's head.
const HEAD_MAX: u32 = 16 << 10;
/// How many requests go at once on a connection whose upstream has not told yet
/// ([RFC 9113 §6.5.2](https://www.rfc-editor.org/rfc/rfc9113#section-6.5.2)).
const STREAMS_AT_FIRST: usize = 100;

/// The connections that are open. The first that has room gets a request, so that few are needed.
#[derive(Debug, Default)]
pub(crate) struct Connections(Mutex<Vec<Shared>>);

/// A connection that requests share.
#[derive(Debug)]
struct Shared {
    requests: SendRequest<Bytes>,
    streams: Arc<AtomicUsize>,
}

/// Room for a request on a connection.
#[derive(Debug)]
pub(crate) struct Room {
    requests: SendRequest<Bytes>,
    stream: Counted,
}

/// Counts a request until its answer has ended.
#[derive(Debug)]
struct Counted(Arc<AtomicUsize>);

impl Connections {
    /// Room on a connection that is open.
    pub(crate) fn room(&self) -> Option<Room> {
        let mut all = self.all();
        all.retain_mut(Shared::takes_requests);
        all.iter().find(|shared| shared.has_room()).map(Shared::room)
    }

    /// Begins to speak on a fresh connection, unless another was faster.
    pub(crate) async fn open(&self, stream: Stream) -> Result<Room, h2::Error> {
        if let Some(room) = self.room() {
            return Ok(room);
        }
        let (requests, connection) = Builder::new()
            .enable_push(false)
            .initial_max_send_streams(STREAMS_AT_FIRST)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .data_frame_budget(OVERHEAD_MAX)
            .max_header_list_size(HEAD_MAX)
            .handshake(stream)
            .await?;
        let shared = Shared { requests, streams: Arc::default() };
        let room = shared.room();
        tokio::spawn(keep(connection, Arc::clone(&shared.streams)));
        self.all().push(shared);
        Ok(room)
    }

    fn all(&self) -> MutexGuard<'_, Vec<Shared>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// Whether neither end has taken leave.
    fn takes_requests(&mut self) -> bool {
        matches!(self.requests.poll_ready(&mut Context::from_waker(Waker::noop())), Poll::Ready(Ok(())))
    }

    fn has_room(&self) -> bool {
        self.streams.load(Ordering::Relaxed) < self.requests.current_max_send_streams()
    }

    fn room(&self) -> Room {
        self.streams.fetch_add(1, Ordering::Relaxed);
        Room { requests: self.requests.clone(), stream: Counted(Arc::clone(&self.streams)) }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Moves a connection on until it ends, or is found dead.
async fn keep<S>(mut connection: Connection<S, Bytes>, streams: Arc<AtomicUsize>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Some(pings) = connection.ping_pong() else { return };
    let dead = pin!(dead(pings, &streams));
    tokio::select! {
        biased;
        ended = connection => if let Err(error) = ended {
            tracing::debug!("connection to the upstream ended: {error}");
        },
        () = Aside::new(dead) => tracing::warn!("the upstream no longer answers on a connection"),
    }
}

/// Returns once a ping stays without an answer. None is sent while nobody waits for anything.
async fn dead(mut pings: PingPong, streams: &AtomicUsize) {
    loop {
        sleep(PING_INTERVAL).await;
        if streams.load(Ordering::Relaxed) > 0 && timeout(PING_TIMEOUT, pings.ping(Ping::opaque())).await.is_err() {
            return;
        }
    }
}

impl Room {
    /// Sends a request, as far as the upstream takes it, and waits for the answer's head.
    pub(crate) async fn exchange<B>(mut self, request: Request<Upload<B>>) -> Result<Response<ReceivedBody>, BoxError>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        let (head, upload) = request.into_parts();
        let is_whole = upload.is_end_stream();
        let (mut answer, stream) = self.requests.send_request(Request::from_parts(head, ()), is_whole)?;
        let mut sending = (!is_whole).then(|| Sending::new(stream, upload));
        let answer = poll_fn(|cx| {
            if let Some(upload) = &mut sending
                && let Poll::Ready(sent) = upload.poll(cx)
            {
                sent.map_err(Into::into)?;
                sending = None;
            }
            Pin::new(&mut answer).poll(cx).map_err(BoxError::from)
        });
        let (head, body) = answer.await?.into_parts();
        let length = head::length(&head.headers)?;
        Ok(Response::from_parts(head, ReceivedBody::new(body, length, sending, self.stream)))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    /// Whether a connection with this many requests is given up within an hour. The clock jumps to whatever timer is
    /// next.
    async fn is_given_up(streams: usize, upstream_answers: bool) -> bool {
        let (near, far) = duplex(1 << 16);
        let (begun, upstream) = tokio::join!(Builder::new().handshake(near), h2::server::handshake(far));
        let (_requests, connection) = begun.unwrap();
        let mut upstream = upstream.unwrap();
        let upstream = tokio::spawn(async move {
            if upstream_answers {
                upstream.accept().await.unwrap().unwrap();
            }
            std::future::pending::<()>().await;
        });
        let kept = timeout(Duration::from_secs(3600), keep(connection, Arc::new(streams.into()))).await;
        upstream.abort();
        kept.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_answers_no_ping_is_given_up_where_somebody_waits() {
        assert!(is_given_up(1, false).await);
        assert!(!is_given_up(0, false).await);
        assert!(!is_given_up(1, true).await);
    }
}
