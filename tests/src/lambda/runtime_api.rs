//! A stand-in for Lambda's [Runtime API](https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html), strict where
//! Lambda is: each event is given once and answered once.

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
    lambda::front::Reply,
    raw_connection::{Head, RawConnection, STEP_TIMEOUT},
};

/// A request on its way to the function.
pub struct Invocation {
    /// The event's JSON.
    pub event: String,
    /// The client's end.
    pub reply: Reply,
    /// Where the client goes once its answer is whole.
    pub back: Sender<RawConnection>,
}

/// Where fronts leave what is to be invoked.
#[derive(Clone)]
pub struct Queue(Sender<Invocation>);

impl Queue {
    /// Leaves one.
    pub fn push(&self, invocation: Invocation) {
        // Where the function has ended, the client sees its connection end.
        let _ = self.0.send(invocation);
    }
}

/// A listening Runtime API.
pub struct RuntimeApi {
    address: SocketAddr,
    queue: Queue,
    reports: Arc<Mutex<Vec<Report>>>,
    polls: Mutex<Receiver<Instant>>,
}

/// How an answer came, as the function gave it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Report {
    /// In one piece.
    Whole,
    /// In pieces, to its end.
    Streamed,
    /// In pieces, until it broke.
    Broken,
    /// Not at all; the kind of error.
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
    /// Listens; each event may take `timeout`.
    ///
    /// # Panics
    /// Where no port is free.
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
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&shared);
                thread::spawn(move || shared.converse(RawConnection::over(stream)));
            }
        });
        Self { address, queue: Queue(queue), reports, polls: Mutex::new(polls) }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where fronts leave what is to be invoked.
    #[must_use]
    pub fn queue(&self) -> Queue {
        self.queue.clone()
    }

    /// Waits for a function's first poll; returns when it came.
    ///
    /// # Panics
    /// Where none comes.
    #[must_use]
    pub fn first_poll(&self) -> Instant {
        lock(&self.polls).recv_timeout(STEP_TIMEOUT).expect("the function polls")
    }

    /// How answers came so far.
    #[must_use]
    pub fn reports(&self) -> Vec<Report> {
        lock(&self.reports).clone()
    }
}

impl Shared {
    fn converse(&self, mut function: RawConnection) {
        while function.has_more() {
            let head = function.head();
            let path = head.word(1).to_owned();
            if path.ends_with("/invocation/next") {
                // Whoever does not ask for it has no use for it.
                let _ = self.polled.send(Instant::now());
                let Some((id, event)) = self.next() else { return };
                let deadline = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is past 1970") + self.timeout;
                let head = format!(
                    "HTTP/1.1 200 OK\r\nlambda-runtime-aws-request-id: {id}\r\nlambda-runtime-deadline-ms: {}\r\n\
                     lambda-runtime-invocation-id: of-{id}\r\ncontent-length: {}\r\n\r\n",
                    deadline.as_millis(),
                    event.len()
                );
                function.send(head + &event);
                continue;
            }
            let id = path.split('/').nth(4).expect("an answer names its event");
            let invocation = lock(&self.running).remove(id).unwrap_or_else(|| panic!("{id} was answered before"));
            assert_eq!(head.header("lambda-runtime-invocation-id"), Some(&*format!("of-{id}")));
            self.answer(invocation, &path, &head, &mut function);
            // One that broke off an answer is gone, and takes nothing.
            let _ = function.try_send("HTTP/1.1 202 Accepted\r\ncontent-length: 16\r\n\r\n{\"status\":\"OK\"}\n");
        }
    }

    /// Passes an answer on; what is reported is known before the client has its end.
    fn answer(&self, invocation: Invocation, path: &str, head: &Head, function: &mut RawConnection) {
        let Invocation { mut reply, back, .. } = invocation;
        let report = |report| lock(&self.reports).push(report);
        if path.ends_with("/error") {
            assert!(function.body(head).starts_with(b"{"), "a report is JSON");
            let kind = head.header("lambda-runtime-function-error-type").unwrap_or_default();
            report(Report::Failed(kind.to_owned()));
            let _ = back.send(reply.failed());
        } else if head.header("lambda-runtime-function-response-mode") != Some("streaming") {
            let answer = serde_json::from_slice(&function.body(head)).expect("an answer is JSON");
            report(Report::Whole);
            let _ = back.send(reply.whole(&answer));
        } else {
            assert_eq!(head.header("content-type"), Some("application/vnd.awslambda.http-integration-response"));
            let whole = stream(&mut reply, function);
            report(if whole { Report::Streamed } else { Report::Broken });
            if whole {
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

/// Passes an answer on piece by piece; returns whether it came to its end.
fn stream(reply: &mut Reply, function: &mut RawConnection) -> bool {
    let mut prelude = Vec::new();
    let mut begun = false;
    while function.has_more() {
        let piece = function.chunk();
        if piece.is_empty() {
            assert!(begun, "an answer has a prelude");
            return true;
        }
        if begun {
            reply.piece(&piece);
            continue;
        }
        prelude.extend(piece);
        if let Some(at) = prelude.windows(8).position(|window| window == [0; 8]) {
            reply.begin(&serde_json::from_slice(&prelude[..at]).expect("a prelude is JSON"));
            reply.piece(&prelude[at + 8..]);
            begun = true;
        }
    }
    false
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
