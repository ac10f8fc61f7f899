//! The admin address: metrics, liveness, readiness. It is for the owner only.

use std::{convert::Infallible, io, net::SocketAddr, slice, sync::Arc, time::Duration};

use http::{HeaderValue, Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::Full;
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use sparekey_proxy::Proxy;
use tokio::{net::TcpListener, sync::watch};

use crate::{listen, metrics::Metrics};

/// The time for a client to send its request headers: the same as the default of `HEADER_TIMEOUT`.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

const TEXT: &str = "text/plain; charset=utf-8";

/// The server of the admin address.
#[derive(Clone)]
pub(crate) struct Admin {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) proxy: Proxy,
    pub(crate) ready: watch::Receiver<bool>,
}

impl Admin {
    /// Listens and serves on the current runtime until it ends, also during a drain.
    pub(crate) fn start(self, address: SocketAddr) -> io::Result<()> {
        let listener = TcpListener::from_std(listen::bind(address, false)?)?;
        tracing::info!("metrics on http://{}/metrics", listener.local_addr()?);
        tokio::spawn(async move {
            loop {
                let (stream, _) = sparekey_net::accept(slice::from_ref(&listener)).await;
                let admin = self.clone();
                let service = service_fn(move |request| {
                    let admin = admin.clone();
                    async move { Ok::<_, Infallible>(admin.respond(&request).await) }
                });
                let mut builder = http1::Builder::new();
                builder.keep_alive(false).timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
                tokio::spawn(builder.serve_connection(TokioIo::new(stream), service));
            }
        });
        Ok(())
    }

    async fn respond(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let (status, content_type, text) = match (request.method(), request.uri().path()) {
            (&Method::GET | &Method::HEAD, "/metrics") => {
                if let Some(reports) = self.proxy.reports().await {
                    self.metrics.spending.report(&reports);
                }
                let (content_type, text) = self.metrics.text(request.headers());
                (StatusCode::OK, content_type, text)
            }
            (&Method::GET | &Method::HEAD, "/healthz") => (StatusCode::OK, TEXT, "ok\n".to_owned()),
            (&Method::GET | &Method::HEAD, "/readyz") if !*self.ready.borrow() => {
                (StatusCode::SERVICE_UNAVAILABLE, TEXT, "draining\n".to_owned())
            }
            (&Method::GET | &Method::HEAD, "/readyz") => (StatusCode::OK, TEXT, "ready\n".to_owned()),
            _ => (StatusCode::NOT_FOUND, TEXT, "not found; there are /metrics, /healthz and /readyz\n".to_owned()),
        };
        let mut response = Response::new(Full::from(text));
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        response
    }
}
