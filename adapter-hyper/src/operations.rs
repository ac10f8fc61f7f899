//! The address for the owner's machines: counts, whether the process lives, whether it takes requests.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use http::{Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::Full;
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use sparekey::metrics::{self, Metrics};
use tokio::{net::TcpListener, sync::watch, time::sleep};

use crate::server;

/// The wait after an accept that failed, for want of descriptors as a rule.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

const TEXT: &str = "text/plain; charset=utf-8";

/// What is answered from.
#[derive(Clone)]
struct Operations {
    metrics: Arc<Metrics>,
    draining: watch::Receiver<bool>,
}

/// Listens, and answers on the current runtime for as long as that runs, through a drain too.
pub(crate) fn start(at: SocketAddr, metrics: Arc<Metrics>, draining: watch::Receiver<bool>) -> io::Result<()> {
    let listener = TcpListener::from_std(server::bind(at)?)?;
    tracing::info!("metrics on http://{}/metrics", listener.local_addr()?);
    let operations = Operations { metrics, draining };
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let operations = operations.clone();
            let service = service_fn(move |request| {
                let answer = operations.answer(&request);
                async { Ok::<_, Infallible>(answer) }
            });
            let mut builder = http1::Builder::new();
            builder.keep_alive(false).timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
            tokio::spawn(builder.serve_connection(TokioIo::new(stream), service));
        }
    });
    Ok(())
}

impl Operations {
    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let (status, kind, text) = match (request.method(), request.uri().path()) {
            (&Method::GET | &Method::HEAD, "/metrics") => (StatusCode::OK, metrics::CONTENT_TYPE, self.metrics.text()),
            (&Method::GET | &Method::HEAD, "/healthz") => (StatusCode::OK, TEXT, "ok\n".to_owned()),
            (&Method::GET | &Method::HEAD, "/readyz") if *self.draining.borrow() => {
                (StatusCode::SERVICE_UNAVAILABLE, TEXT, "draining\n".to_owned())
            }
            (&Method::GET | &Method::HEAD, "/readyz") => (StatusCode::OK, TEXT, "ready\n".to_owned()),
            _ => (StatusCode::NOT_FOUND, TEXT, "there is /metrics, /healthz and /readyz\n".to_owned()),
        };
        let mut answer = Response::new(Full::from(text));
        *answer.status_mut() = status;
        answer.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(kind));
        answer
    }
}
