//! The load generator: many clients on one thread. Each response is checked.

use std::{
    cell::{Cell, RefCell},
    io,
    net::SocketAddr,
    rc::Rc,
    time::Duration,
};

use tokio::{
    runtime::Runtime,
    task::LocalSet,
    time::{sleep, timeout},
};

use crate::{
    client::HttpClient,
    payload::{self, Checksum},
};

/// Timeout of one response, so that a proxy that hangs ends the bench. A live stream takes 2 s.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(60);

/// The expected response.
#[derive(Clone)]
pub(crate) enum Expected {
    /// Status 200 and this body.
    Body(Checksum),
    /// Status 200 and this number of events, those with a number from 0 on.
    Events(usize),
    Status(u16),
}

/// A request, and how often and by how many clients it is sent.
pub(crate) struct Workload {
    /// Client n sends message n, then message n + `clients`, and so on, modulo their number.
    pub(crate) messages: Vec<Vec<u8>>,
    pub(crate) expected: Expected,
    pub(crate) clients: usize,
    /// Requests of all clients together.
    pub(crate) requests: usize,
    /// Time between the start of the first client and of the last.
    pub(crate) ramp_up: Duration,
}

pub(crate) struct LoadGenerator(Runtime);

impl LoadGenerator {
    pub(crate) fn new() -> Self {
        Self(tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a Tokio runtime"))
    }

    /// Sends one request on a new connection; returns status and body.
    pub(crate) fn once(&self, address: SocketAddr, request: &[u8]) -> io::Result<(u16, Vec<u8>)> {
        self.0.block_on(async {
            let mut client = HttpClient::connect(address).await?;
            client.send(request).await?;
            let mut body = Vec::new();
            let status = timeout(RESPONSE_TIMEOUT, client.receive(|data| body.extend_from_slice(data))).await??;
            Ok((status, body))
        })
    }

    /// Opens `count` connections with one request on each, and calls `measure` while they are idle.
    pub(crate) fn idle<T>(
        &self,
        address: SocketAddr,
        request: &[u8],
        count: usize,
        measure: impl FnOnce() -> T,
    ) -> io::Result<T> {
        let clients = self.0.block_on(async {
            let mut clients = Vec::with_capacity(count);
            for _ in 0..count {
                let mut client = HttpClient::connect(address).await?;
                client.send(request).await?;
                client.receive(|_| {}).await?;
                clients.push(client);
            }
            io::Result::Ok(clients)
        })?;
        let result = measure();
        drop(clients);
        Ok(result)
    }

    /// Opens `count` streams, client n with message n modulo their number, and calls `measure` after the heads of their
    /// responses, while nothing is read from them.
    pub(crate) fn open_streams<T>(
        &self,
        address: SocketAddr,
        messages: &[Vec<u8>],
        count: usize,
        measure: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        let clients = self.0.block_on(async {
            let mut clients = Vec::with_capacity(count);
            for message in messages.iter().cycle().take(count) {
                let mut client = HttpClient::connect(address).await?;
                client.send(message).await?;
                let status = timeout(RESPONSE_TIMEOUT, client.start()).await??;
                if status != 200 {
                    return Err(io::Error::other(format!("stream {}: status {status}", clients.len())));
                }
                clients.push(client);
            }
            Ok(clients)
        })?;
        let result = measure();
        drop(clients);
        result
    }

    /// Runs a workload; returns the latencies of all events, or of all other responses, in nanoseconds. Calls `after_ramp_up` when all clients have
    /// started.
    pub(crate) fn run(
        &self,
        address: SocketAddr,
        workload: &Workload,
        after_ramp_up: impl FnOnce(),
    ) -> io::Result<Vec<u64>> {
        let remaining = Cell::new(workload.requests);
        let latencies = RefCell::new(Vec::new());
        let (remaining, latencies) = (Rc::new(remaining), Rc::new(latencies));
        let messages: Rc<[_]> = workload.messages.clone().into();
        let clients = workload.clients;
        let local = LocalSet::new();
        local.block_on(&self.0, async {
            let mut tasks = Vec::new();
            for at in 0..workload.clients {
                let (remaining, latencies) = (Rc::clone(&remaining), Rc::clone(&latencies));
                let messages = Rc::clone(&messages);
                let expected = workload.expected.clone();
                let delay = workload.ramp_up.mul_f64(at as f64 / workload.clients as f64);
                tasks.push(tokio::task::spawn_local(async move {
                    sleep(delay).await;
                    let mut client = HttpClient::connect(address).await?;
                    let mut messages = messages.iter().cycle().skip(at % messages.len()).step_by(clients);
                    while let Some(next) = remaining.get().checked_sub(1) {
                        remaining.set(next);
                        client.send(messages.next().expect("at least one message")).await?;
                        timeout(RESPONSE_TIMEOUT, receive_and_check(&mut client, &expected, &latencies)).await??;
                    }
                    io::Result::Ok(client)
                }));
            }
            if !workload.ramp_up.is_zero() {
                sleep(workload.ramp_up).await;
                after_ramp_up();
            }
            // Closing a connection costs the proxy CPU time, so all stay open until the last client has finished.
            let mut clients = Vec::new();
            for task in tasks {
                clients.push(task.await.map_err(io::Error::other)??);
            }
            io::Result::Ok(())
        })?;
        Ok(latencies.take())
    }
}

async fn receive_and_check(
    client: &mut HttpClient,
    expected: &Expected,
    latencies: &RefCell<Vec<u64>>,
) -> io::Result<()> {
    let (mut sum, mut text, mut next) = (Checksum::EMPTY, String::new(), 0);
    let (mut in_order, sent) = (true, payload::now());
    let status = client
        .receive(|data| match expected {
            Expected::Body(_) => sum.update(data),
            Expected::Status(_) => {}
            Expected::Events(_) => {
                let received = payload::now();
                text.push_str(&String::from_utf8_lossy(data));
                while let Some(end) = text.find("\n\n") {
                    if let Some((number, sent)) = payload::parse_event(&text[..end]) {
                        in_order &= number == next;
                        latencies.borrow_mut().push(received.saturating_sub(sent));
                    }
                    next += 1;
                    text.drain(..end + 2);
                }
            }
        })
        .await?;
    if !matches!(expected, Expected::Events(_)) {
        latencies.borrow_mut().push(payload::now() - sent);
    }
    let is_expected = match expected {
        Expected::Body(body) => status == 200 && sum == *body,
        Expected::Events(count) => status == 200 && in_order && next == *count,
        Expected::Status(code) => status == *code,
    };
    is_expected
        .then_some(())
        .ok_or_else(|| io::Error::other(format!("unexpected response: {status}, {sum:?}, {next} events")))
}

/// Returns a request with the headers of OpenAI's Python client.
pub(crate) fn request(method: &str, target: &str, key: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "{method} {target} HTTP/1.1\r\nhost: proxy\r\naccept: application/json\r\naccept-encoding: identity\r\n\
         user-agent: AsyncOpenAI/Python 2.8.1\r\nx-stainless-lang: python\r\nx-stainless-package-version: 2.8.1\r\n\
         x-stainless-os: Linux\r\nx-stainless-arch: x64\r\nx-stainless-runtime: CPython\r\n\
         x-stainless-runtime-version: 3.13.9\r\nx-stainless-async: async:asyncio\r\nx-stainless-retry-count: 0\r\n\
         x-stainless-read-timeout: 600\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}
