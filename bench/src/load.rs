//! The load: many clients on one thread, each answer checked.

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
    client::Client,
    content::{self, Sum},
};

/// No run may hang.
const GUARD: Duration = Duration::from_secs(60);

/// What a right answer is.
#[derive(Clone)]
pub(crate) enum Right {
    Body(Sum),
    /// Events, numbered from 0.
    Events(usize),
    Status(u16),
}

/// One kind of request, sent again and again.
pub(crate) struct Job {
    pub(crate) request: Vec<u8>,
    pub(crate) right: Right,
    pub(crate) clients: usize,
    pub(crate) times: usize,
    /// Between the first client's start and the last's.
    pub(crate) spread: Duration,
}

pub(crate) struct Load(Runtime);

impl Load {
    pub(crate) fn new() -> Self {
        Self(tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime"))
    }

    /// One request on a connection of its own.
    pub(crate) fn once(&self, address: SocketAddr, request: &[u8]) -> io::Result<(u16, Vec<u8>)> {
        self.0.block_on(async {
            let mut client = Client::connect(address).await?;
            client.send(request).await?;
            let mut body = Vec::new();
            let status = timeout(GUARD, client.receive(|data| body.extend_from_slice(data))).await??;
            Ok((status, body))
        })
    }

    /// Opens connections that have served one request each, and keeps them while this is done.
    pub(crate) fn idle<T>(
        &self,
        address: SocketAddr,
        request: &[u8],
        count: usize,
        then: impl FnOnce() -> T,
    ) -> io::Result<T> {
        let kept = self.0.block_on(async {
            let mut kept = Vec::with_capacity(count);
            for _ in 0..count {
                let mut client = Client::connect(address).await?;
                client.send(request).await?;
                client.receive(|_| {}).await?;
                kept.push(client);
            }
            io::Result::Ok(kept)
        })?;
        let measured = then();
        drop(kept);
        Ok(measured)
    }

    /// Does a job; returns the ages of all events, in nanoseconds. `midway` is called when all streams are open.
    pub(crate) fn run(&self, address: SocketAddr, job: &Job, midway: impl FnOnce()) -> io::Result<Vec<u64>> {
        let left = Cell::new(job.times);
        let ages = RefCell::new(Vec::new());
        let (left, ages) = (Rc::new(left), Rc::new(ages));
        let local = LocalSet::new();
        local.block_on(&self.0, async {
            let mut running = Vec::new();
            for at in 0..job.clients {
                let (left, ages) = (Rc::clone(&left), Rc::clone(&ages));
                let (request, right) = (job.request.clone(), job.right.clone());
                let wait = job.spread.mul_f64(at as f64 / job.clients as f64);
                running.push(tokio::task::spawn_local(async move {
                    sleep(wait).await;
                    let mut client = Client::connect(address).await?;
                    while let Some(next) = left.get().checked_sub(1) {
                        left.set(next);
                        client.send(&request).await?;
                        timeout(GUARD, check(&mut client, &right, &ages)).await??;
                    }
                    io::Result::Ok(client)
                }));
            }
            if !job.spread.is_zero() {
                sleep(job.spread).await;
                midway();
            }
            // Connections stay open until all are done.
            let mut open = Vec::new();
            for task in running {
                open.push(task.await.map_err(io::Error::other)??);
            }
            io::Result::Ok(())
        })?;
        Ok(ages.take())
    }
}

async fn check(client: &mut Client, right: &Right, ages: &RefCell<Vec<u64>>) -> io::Result<()> {
    let (mut sum, mut text, mut next) = (Sum::EMPTY, String::new(), 0);
    let mut in_order = true;
    let status = client
        .receive(|data| match right {
            Right::Body(_) => sum.add(data),
            Right::Status(_) => {}
            Right::Events(_) => {
                let came = content::now();
                text.push_str(&String::from_utf8_lossy(data));
                while let Some(end) = text.find("\n\n") {
                    if let Some((number, sent)) = content::read_event(&text[..end]) {
                        in_order &= number == next;
                        ages.borrow_mut().push(came.saturating_sub(sent));
                    }
                    next += 1;
                    text.drain(..end + 2);
                }
            }
        })
        .await?;
    let good = match right {
        Right::Body(expected) => status == 200 && sum == *expected,
        Right::Events(count) => status == 200 && in_order && next == *count,
        Right::Status(expected) => status == *expected,
    };
    good.then_some(()).ok_or_else(|| io::Error::other(format!("a wrong answer: {status}, {sum:?}, {next} events")))
}

/// A request as OpenAI's Python client sends it.
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
