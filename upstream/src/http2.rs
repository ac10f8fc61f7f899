//! An HTTP/2 client.
//!
//! **In scope:** shared connections, each with as many concurrent requests as the upstream allows; the bodies in both
//! directions as they arrive. Each connection has a task; a request has none.
//!
//! **Out of scope:** frames, flow control and header compression, which are `h2`'s; which requests use HTTP/2.

mod body;
mod send;
mod stream_counts;

use std::{
    future::{Future as _, poll_fn},
    mem,
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use h2::{
    Ping, PingPong, Reason,
    client::{Builder, Connection, SendRequest},
};
use http::{Request, Response, request};
use http_body::Body;
use sparekey_net::{PollOnWake, Stream, SuspendMark};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, sleep, timeout},
};

pub(crate) use self::body::Http2Body;
use self::{
    send::SendBody,
    stream_counts::{CountedStream, StreamCounts},
};
use crate::{
    connect_turn::TurnGuard,
    error::{BoxError, Error, ErrorKind},
    http1::framing::content_length,
    request_body::RequestBody,
};

/// Between pings ([RFC 9113 §6.7](https://www.rfc-editor.org/rfc/rfc9113#section-6.7)), which detect a dead connection:
/// otherwise each of its requests would wait for `UPSTREAM_TIMEOUT`.
const PING_INTERVAL: Duration = Duration::from_secs(30);
/// The wait for the response to a ping, which may queue behind other frames on a slow line.
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// Bytes of a response that may wait for a slow client, per stream
/// ([RFC 9113 §6.9](https://www.rfc-editor.org/rfc/rfc9113#section-6.9)): with all buffers, a client that reads nothing costs
/// at most 128 KiB.
const STREAM_WINDOW: u32 = 32 << 10;
/// The windows of all streams of a connection together, once its clients take more than the small windows let through: a
/// response gets no more than its window in a round trip, 0.5 MB/s at 60 ms with the small one, 17 MB/s with this one.
const SHARED_WINDOW: u32 = 1 << 20;
/// Between two looks at what the clients take. It is longer than a round trip.
const WINDOW_INTERVAL: Duration = Duration::from_millis(250);
/// How much a window grows at once.
const WINDOW_GROWTH: u32 = 8;
/// The maximum in bytes ([RFC 9113 §6.9.1](https://www.rfc-editor.org/rfc/rfc9113#section-6.9.1)), so that waiting
/// responses never block the others.
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;
/// Bytes of memory that small waiting frames may take besides their data, per connection: 32 MiB bound a hostile
/// upstream.
const OVERHEAD_MAX: usize = 32 << 20;
/// The longest response head, in bytes, as `SETTINGS_MAX_HEADER_LIST_SIZE` counts it
/// ([RFC 9113 §6.5.2](https://www.rfc-editor.org/rfc/rfc9113#section-6.5.2)). OpenAI's heads have about 2 KB.
const HEAD_MAX: u32 = 16 << 10;
/// Concurrent requests on a connection before the upstream's SETTINGS have arrived
/// ([RFC 9113 §6.5.2](https://www.rfc-editor.org/rfc/rfc9113#section-6.5.2)): it refuses more than it allows. The others
/// wait, for a round trip at most.
const INITIAL_MAX_STREAMS: usize = 1;
/// How long they wait.
const SETTINGS_TIMEOUT: Duration = Duration::from_secs(1);
/// Requests that may be cancelled before a connection gets no new ones: upstreams close a connection with many resets
/// (CVE-2023-44487), and with it the requests of other users. A new connection costs two round trips.
const CANCELLED_MAX: usize = 20;

/// The open connections. The first one with a free stream gets a request, so that few are needed.
#[derive(Debug, Default)]
pub(crate) struct Connections(Mutex<Vec<Shared>>);

/// A connection shared by requests.
#[derive(Debug)]
struct Shared {
    requests: SendRequest<Bytes>,
    streams: Arc<StreamCounts>,
    opened: SuspendMark,
}

/// The right to open one stream on a connection.
#[derive(Debug)]
pub(crate) struct StreamPermit {
    requests: SendRequest<Bytes>,
    stream: CountedStream,
}

impl Connections {
    /// A permit on an open connection that is not older than a suspend of the machine. Requests on an older one go on; if it
    /// is dead, a ping shows it.
    pub(crate) fn permit(&self) -> Option<StreamPermit> {
        self.permit_at(SuspendMark::now)
    }

    fn permit_at(&self, now: impl FnOnce() -> SuspendMark) -> Option<StreamPermit> {
        let mut all = self.all();
        // An upstream with HTTP/1.1 pays for no look at the clocks.
        if all.is_empty() {
            return None;
        }
        let now = now();
        all.retain_mut(|shared| !shared.opened.was_suspended_until(now) && shared.is_open());
        all.iter().find(|shared| shared.has_free_stream()).map(Shared::permit)
    }

    /// Starts HTTP/2 on a new connection, unless another request has opened one meanwhile. The turn to connect ends when the
    /// upstream has said how many streams it allows.
    pub(crate) async fn open(&self, stream: Stream, turn: Option<TurnGuard>) -> Result<StreamPermit, Error> {
        if let Some(permit) = self.permit() {
            return Ok(permit);
        }
        let (requests, connection) = Builder::new()
            .enable_push(false)
            .initial_max_send_streams(INITIAL_MAX_STREAMS)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .data_frame_budget(OVERHEAD_MAX)
            .max_header_list_size(HEAD_MAX)
            .handshake(stream)
            .await
            .map_err(Error::not_sent)?;
        let shared = Shared { requests, streams: Arc::default(), opened: SuspendMark::now() };
        let permit = shared.permit();
        tokio::spawn(drive(connection, Arc::clone(&shared.streams), turn));
        self.all().push(shared);
        Ok(permit)
    }

    fn all(&self) -> MutexGuard<'_, Vec<Shared>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// Whether neither side has sent GOAWAY ([RFC 9113 §6.8](https://www.rfc-editor.org/rfc/rfc9113#section-6.8)), and few
    /// requests were cancelled. Once it is dropped, the connection closes after its last request.
    fn is_open(&mut self) -> bool {
        self.streams.cancelled() < CANCELLED_MAX
            && matches!(self.requests.poll_ready(&mut Context::from_waker(Waker::noop())), Poll::Ready(Ok(())))
    }

    fn has_free_stream(&self) -> bool {
        self.streams.open() < self.requests.current_max_send_streams()
    }

    fn permit(&self) -> StreamPermit {
        StreamPermit { requests: self.requests.clone(), stream: CountedStream::new(&self.streams) }
    }
}

/// Drives a connection until it ends or a ping gets no response.
async fn drive<S>(mut connection: Connection<S, Bytes>, streams: Arc<StreamCounts>, turn: Option<TurnGuard>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Some(pings) = connection.ping_pong() else { return };
    let dead = pin!(ping_timeout(pings, &streams));
    tokio::select! {
        biased;
        ended = drive_windows(connection, &streams, turn) => if let Err(error) = ended {
            tracing::debug!("upstream connection ended: {error}");
        },
        () = PollOnWake::new(dead) => tracing::warn!("upstream connection closed: no response to a ping"),
    }
}

/// Drives a connection, and sets the windows of its streams by what the clients take.
async fn drive_windows<S>(
    mut connection: Connection<S, Bytes>,
    streams: &StreamCounts,
    mut turn: Option<TurnGuard>,
) -> Result<(), h2::Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut window, mut last_taken) = (STREAM_WINDOW, 0);
    let mut look = pin!(sleep(WINDOW_INTERVAL));
    let mut settings = pin!(sleep(SETTINGS_TIMEOUT));
    poll_fn(|cx| {
        // Without streams, nothing is to be done until a new one wakes this task.
        while streams.open() > 0 && look.as_mut().poll(cx).is_ready() {
            look.as_mut().reset(Instant::now() + WINDOW_INTERVAL);
            let taken = streams.take_received();
            // A client that reads nothing still takes what its buffers hold, once.
            let next = next_window(window, streams.open(), taken.min(mem::replace(&mut last_taken, taken)));
            // An error means that the upstream has not acknowledged the last change yet.
            if next != window && connection.set_initial_window_size(next).is_ok() {
                window = next;
            }
        }
        let ended = Pin::new(&mut connection).poll(cx);
        let has_settings = connection.max_concurrent_send_streams() != INITIAL_MAX_STREAMS;
        if turn.is_some() && (has_settings || settings.as_mut().poll(cx).is_ready()) {
            turn = None;
        }
        ended
    })
    .await
}

/// The window of each stream, after the clients of so many have steadily taken so many bytes.
fn next_window(window: u32, streams: usize, taken: usize) -> u32 {
    if taken < window as usize {
        return STREAM_WINDOW;
    }
    let share = SHARED_WINDOW / u32::try_from(streams).unwrap_or(u32::MAX).max(1);
    (window * WINDOW_GROWTH).min(share).max(STREAM_WINDOW)
}

/// Returns once a ping gets no response. Idle connections are not pinged.
async fn ping_timeout(mut pings: PingPong, streams: &StreamCounts) {
    loop {
        sleep(PING_INTERVAL).await;
        if streams.open() > 0 && timeout(PING_TIMEOUT, pings.ping(Ping::opaque())).await.is_err() {
            return;
        }
    }
}

impl StreamPermit {
    /// Sends a request, as far as the upstream reads it, and waits for the response head.
    pub(crate) async fn exchange<B>(
        mut self,
        head: Box<request::Parts>,
        body: RequestBody<B>,
    ) -> Result<Response<Http2Body>, Error>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        let has_body = !body.is_end_stream();
        let request = Request::from_parts(*head, ());
        let (mut response, stream) = self.requests.send_request(request, !has_body).map_err(Error::not_sent)?;
        let mut send_body = has_body.then(|| SendBody::new(stream, body));
        let response = poll_fn(|cx| {
            if let Some(body) = &mut send_body
                && let Poll::Ready(sent) = body.poll(cx)
            {
                sent.map_err(|error| Error::new(ErrorKind::RequestBody, error))?;
                send_body = None;
            }
            Pin::new(&mut response).poll(cx).map_err(|error| {
                let kind = if is_unprocessed(&error) { ErrorKind::Refused } else { ErrorKind::Interrupted };
                Error::new(kind, error)
            })
        });
        let response = response.await.inspect_err(|_| self.stream.ended())?;
        let (head, body) = response.into_parts();
        let length = content_length(&head.headers).map_err(|error| Error::new(ErrorKind::InvalidResponse, error))?;
        Ok(Response::from_parts(head, Http2Body::new(body, length, send_body, self.stream)))
    }
}

/// Whether the upstream has said that it processes nothing of the request
/// ([RFC 9113 §8.7](https://www.rfc-editor.org/rfc/rfc9113#section-8.7)). h2 ends by a GOAWAY of the upstream only the streams
/// after the last one that this frame names.
fn is_unprocessed(error: &h2::Error) -> bool {
    error.is_remote() && (error.is_go_away() || error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM))
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, duplex},
        net::{TcpListener, TcpStream},
    };

    use super::*;

    #[test]
    fn windows_follow_what_clients_take() {
        const KIB: u32 = 1 << 10;
        for (window, streams, taken, next) in [
            (32, 1, 31, 32),
            (32, 1, 32, 256),
            (256, 1, 300, 1024),
            (1024, 1, 2000, 1024),
            (1024, 1, 100, 32),
            (256, 8, 2000, 128),
            (32, 100, 9000, 32),
            (32, 0, 50, 256),
        ] {
            assert_eq!(next_window(window * KIB, streams, taken << 10), next * KIB, "{window} {streams} {taken}");
        }
    }

    /// Whether a connection with this many streams is closed within an hour. The paused clock jumps to the next timer.
    async fn is_closed(streams: usize, responds: bool) -> bool {
        let (near, far) = duplex(1 << 16);
        let (client, upstream) = tokio::join!(Builder::new().handshake(near), h2::server::handshake(far));
        let (_requests, connection) = client.unwrap();
        let mut upstream = upstream.unwrap();
        let upstream = tokio::spawn(async move {
            if responds {
                upstream.accept().await.unwrap().unwrap();
            }
            std::future::pending::<()>().await;
        });
        let counts = Arc::new(StreamCounts::default());
        let _open: Vec<_> = (0..streams).map(|_| CountedStream::new(&counts)).collect();
        let ended = timeout(Duration::from_secs(3600), drive(connection, counts, None)).await;
        upstream.abort();
        ended.is_ok()
    }

    #[tokio::test]
    async fn connection_from_before_a_suspend_gets_no_request() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut upstream, _) = listener.accept().await.unwrap();
        let connections = Connections::default();
        drop(connections.open(Stream::Plain(stream), None).await.unwrap());
        assert!(connections.permit().is_some());
        assert!(connections.permit_at(|| SuspendMark::now().after(3600)).is_none());
        // It is closed.
        upstream.read_to_end(&mut Vec::new()).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn ping_without_response_closes_a_connection_in_use() {
        assert!(is_closed(1, false).await);
        assert!(!is_closed(0, false).await);
        assert!(!is_closed(1, true).await);
    }
}
