//! A stand-in for Lambda's [Runtime API](https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html). As Lambda
//! does, it accepts exactly one response per event.

use std::{
    collections::HashMap,
    net::{SocketAddr, TcpListener},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use crate::{
    lambda::{invoker::Reply, oracle},
    raw_connection::{Head, RawConnection, STEP_TIMEOUT},
};

/// An event for the function.
pub struct Invocation {
    /// The event's JSON.
    pub event: String,
    /// The response to the client.
    pub reply: Reply,
    /// Receives the client's connection after a whole response.
    pub back: Sender<RawConnection>,
}

/// The events that wait for the function.
#[derive(Clone)]
pub struct Queue(Sender<Invocation>);

impl Queue {
    /// Adds an event.
    ///
    /// # Panics
    /// If `lambda_http` reads the event differently.
    pub fn push(&self, invocation: Invocation) {
        if let Err(error) = oracle::compare(&invocation.event) {
            panic!("{error}");
        }
        // Without a Runtime API the event is dropped, and with it the client's connection.
        let _ = self.0.send(invocation);
    }
}

/// A listening Runtime API.
pub struct RuntimeApi {
    address: SocketAddr,
    queue: Queue,
    reports: Arc<Mutex<Vec<Report>>>,
    polls: Mutex<Receiver<Instant>>,
    shared: Arc<Shared>,
}

/// How a response arrived.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Report {
    /// In one JSON text.
    Buffered,
    /// As a stream, complete.
    Streamed,
    /// As a stream, truncated.
    Truncated,
    /// As an error of this type.
    Failed(String),
}

struct Shared {
    waiting: Mutex<Receiver<Invocation>>,
    running: Mutex<HashMap<String, Invocation>>,
    number: AtomicU64,
    timeout: Duration,
    reports: Arc<Mutex<Vec<Report>>>,
    polled: Sender<Instant>,
}

impl RuntimeApi {
    /// Listens; each invocation may last `timeout`.
    ///
    /// # Panics
    /// If no port is free.
    #[must_use]
    pub fn start(timeout: Duration) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
        let address = listener.local_addr().expect("a listener has an address");
        let (queue, waiting) = mpsc::channel();
        let (polled, polls) = mpsc::channel();
        let reports = Arc::<Mutex<Vec<Report>>>::default();
        let shared = Arc::new(Shared {
            waiting: Mutex::new(waiting),
            running: Mutex::default(),
            number: AtomicU64::new(1),
            timeout,
            reports: Arc::clone(&reports),
            polled,
        });
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&serving);
                thread::spawn(move || shared.serve(RawConnection::over(stream)));
            }
        });
        Self { address, queue: Queue(queue), reports, polls: Mutex::new(polls), shared }
    }

    /// Fails the events that wait, and later ones: the function has ended.
    pub fn fail_waiting(&self) {
        let shared = Arc::clone(&self.shared);
        thread::spawn(move || lock(&shared.waiting).iter().for_each(|invocation| shared.exited(invocation)));
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The events that wait for the function.
    #[must_use]
    pub fn queue(&self) -> Queue {
        self.queue.clone()
    }

    /// Waits for the first poll; returns its time.
    ///
    /// # Panics
    /// If none arrives.
    #[must_use]
    pub fn first_poll(&self) -> Instant {
        lock(&self.polls).recv_timeout(STEP_TIMEOUT).expect("the function polls")
    }

    /// Waits for the next poll.
    ///
    /// # Panics
    /// If none arrives.
    pub fn next_poll(&self) {
        let _ = self.first_poll();
    }

    /// Whether the function polls within this time.
    #[must_use]
    pub fn has_poll_within(&self, time: Duration) -> bool {
        lock(&self.polls).recv_timeout(time).is_ok()
    }

    /// The responses so far.
    #[must_use]
    pub fn reports(&self) -> Vec<Report> {
        lock(&self.reports).clone()
    }
}

impl Shared {
    fn serve(&self, mut function: RawConnection) {
        let mut last = None;
        while function.has_more() {
            let head = function.head();
            let path = head.word(1).to_owned();
            if path.ends_with("/invocation/next") {
                // Most tests do not receive it.
                let _ = self.polled.send(Instant::now());
                let Some((id, event)) = self.next() else { return };
                let deadline = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is past 1970") + self.timeout;
                let head = format!(
                    "HTTP/1.1 200 OK\r\nlambda-runtime-aws-request-id: {id}\r\nlambda-runtime-deadline-ms: {}\r\n\
                     lambda-runtime-invocation-id: of-{id}\r\ncontent-length: {}\r\n\r\n",
                    deadline.as_millis(),
                    event.len()
                );
                last = Some(id);
                // A function that has ended does not take it.
                let _ = function.try_send(head + &event);
                continue;
            }
            let id = path.split('/').nth(4).expect("a response has its event's id");
            let invocation = lock(&self.running).remove(id).unwrap_or_else(|| panic!("second response to {id}"));
            assert_eq!(head.header("lambda-runtime-invocation-id"), Some(&*format!("of-{id}")));
            self.forward(invocation, &path, &head, &mut function);
            // After a truncated response the connection may be closed.
            let _ = function.try_send("HTTP/1.1 202 Accepted\r\ncontent-length: 16\r\n\r\n{\"status\":\"OK\"}\n");
        }
        if let Some(invocation) = last.and_then(|id| lock(&self.running).remove(&id)) {
            self.exited(invocation);
        }
    }

    /// Ends an invocation without a response, as [Lambda
    /// does](https://docs.aws.amazon.com/lambda/latest/dg/troubleshooting-invocation.html) if the process has ended.
    fn exited(&self, invocation: Invocation) {
        lock(&self.reports).push(Report::Failed("Runtime.ExitError".to_owned()));
        let _ = invocation.back.send(invocation.reply.failed());
    }

    /// Forwards a response. The report is stored before the client sees the end.
    fn forward(&self, invocation: Invocation, path: &str, head: &Head, function: &mut RawConnection) {
        let Invocation { mut reply, back, .. } = invocation;
        let report = |report| lock(&self.reports).push(report);
        if path.ends_with("/error") {
            assert!(function.body(head).starts_with(b"{"), "an error report is JSON");
            let kind = head.header("lambda-runtime-function-error-type").unwrap_or_default();
            report(Report::Failed(kind.to_owned()));
            let _ = back.send(reply.failed());
        } else if head.header("lambda-runtime-function-response-mode") != Some("streaming") {
            let response = serde_json::from_slice(&function.body(head)).expect("a response is JSON");
            report(Report::Buffered);
            let _ = back.send(reply.buffered(&response));
        } else {
            assert_eq!(head.header("content-type"), Some("application/vnd.awslambda.http-integration-response"));
            let is_complete = forward_stream(&mut reply, function);
            report(if is_complete { Report::Streamed } else { Report::Truncated });
            if is_complete {
                let _ = back.send(reply.end());
            }
        }
    }

    fn next(&self) -> Option<(String, String)> {
        let mut invocation = lock(&self.waiting).recv().ok()?;
        let id = format!("8476a536-{}", self.number.fetch_add(1, Ordering::Relaxed));
        let event = std::mem::take(&mut invocation.event);
        lock(&self.running).insert(id.clone(), invocation);
        Some((id, event))
    }
}

/// Forwards a streamed response; returns whether it is complete.
fn forward_stream(reply: &mut Reply, function: &mut RawConnection) -> bool {
    let mut prelude = Vec::new();
    let mut has_prelude = false;
    while function.has_more() {
        let chunk = function.chunk();
        if chunk.is_empty() {
            assert!(has_prelude, "a response has a prelude");
            return true;
        }
        if has_prelude {
            reply.chunk(&chunk);
            continue;
        }
        prelude.extend(chunk);
        if let Some(at) = prelude.windows(8).position(|window| window == [0; 8]) {
            reply.begin(&serde_json::from_slice(&prelude[..at]).expect("a prelude is JSON"));
            reply.chunk(&prelude[at + 8..]);
            has_prelude = true;
        }
    }
    false
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
