//! The admin address: the owner's page, metrics, liveness, readiness. It is for the owner only.

mod access;
mod overview;
mod page;

pub(crate) use self::access::{Access, Password};

use std::{convert::Infallible, io, net::SocketAddr, slice, sync::Arc, time::Duration};

use http::{
    HeaderName, HeaderValue, Method, Request, Response, StatusCode,
    header::{
        CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, WWW_AUTHENTICATE,
        X_CONTENT_TYPE_OPTIONS,
    },
};
use http_body_util::Full;
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use sparekey_proxy::Proxy;
use tokio::{
    net::TcpListener,
    sync::watch,
    task::spawn_blocking,
    time::{Instant, interval_at},
};

use self::{
    access::{CHALLENGE, Refusal},
    overview::Overview,
};
use crate::{
    listen,
    metrics::{HOUR, Metrics},
};

/// The time for a client to send its request headers: the same as the default of `HEADER_TIMEOUT`.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

const TEXT: &str = "text/plain; charset=utf-8";

/// No page of another origin may read or embed it
/// ([Fetch](https://fetch.spec.whatwg.org/#cross-origin-resource-policy-header)).
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// The server of the admin address.
#[derive(Clone)]
pub(crate) struct Admin {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) proxy: Proxy,
    pub(crate) ready: watch::Receiver<bool>,
    pub(crate) access: Access,
}

impl Admin {
    /// Listens and serves on the current runtime until it ends, also during a drain.
    pub(crate) fn start(self, address: SocketAddr) -> io::Result<()> {
        let listener = TcpListener::from_std(listen::bind(address, false)?)?;
        tracing::info!("metrics on http://{}/metrics", listener.local_addr()?);
        let metrics = Arc::clone(&self.metrics);
        tokio::spawn(async move {
            let mut hours = interval_at(Instant::now() + HOUR, HOUR);
            loop {
                hours.tick().await;
                metrics.errors.turn();
            }
        });
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
        let path = request.uri().path();
        let (status, content_type, text) = match (request.method(), path) {
            (&Method::GET | &Method::HEAD, "/" | "/usage.json" | "/usage.csv") => {
                let response = match self.access.check(request.headers()) {
                    Ok(()) => self.page(path, request.uri().query()).await,
                    Err(refusal) => refuse(refusal),
                };
                return private(response);
            }
            (&Method::GET | &Method::HEAD, "/metrics") => {
                if let Err(refusal) = self.access.check_metrics(request.headers()) {
                    return refuse(refusal);
                }
                self.metrics.spending.begin(self.proxy.gate().keys().metered_users().map(|(user, _)| user));
                self.metrics.spending.report(&self.proxy.reports().await);
                let (content_type, text) = self.metrics.text(request.headers());
                (StatusCode::OK, content_type, text)
            }
            (&Method::GET | &Method::HEAD, "/healthz") => (StatusCode::OK, TEXT, "ok\n".to_owned()),
            (&Method::GET | &Method::HEAD, "/readyz") if !*self.ready.borrow() => {
                (StatusCode::SERVICE_UNAVAILABLE, TEXT, "draining\n".to_owned())
            }
            (&Method::GET | &Method::HEAD, "/readyz") => (StatusCode::OK, TEXT, "ready\n".to_owned()),
            _ => (StatusCode::NOT_FOUND, TEXT, "not found; there are /, /metrics, /healthz and /readyz\n".to_owned()),
        };
        response(status, content_type, text)
    }

    /// The owner's page and its data.
    async fn page(&self, path: &str, query: Option<&str>) -> Response<Full<Bytes>> {
        if path == "/" {
            let mut response = response(StatusCode::OK, "text/html; charset=utf-8", page::HTML);
            response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(page::POLICY));
            return response;
        }
        let overview = Overview::read(&self.proxy, self.metrics.errors.by_user(), overview::days(query)).await;
        let is_csv = path == "/usage.csv";
        // This thread serves requests too.
        let text = spawn_blocking(move || if is_csv { overview.csv() } else { Ok(overview.json()) }).await;
        match text.unwrap_or(Err("the data cannot be written\n")) {
            Ok(text) if is_csv => {
                let mut response = response(StatusCode::OK, "text/csv; charset=utf-8", text);
                let name = HeaderValue::from_static("attachment; filename=\"sparekey-usage.csv\"");
                response.headers_mut().insert(CONTENT_DISPOSITION, name);
                response
            }
            Ok(text) => response(StatusCode::OK, "application/json", text),
            Err(reason) => response(StatusCode::SERVICE_UNAVAILABLE, TEXT, reason),
        }
    }
}

fn response(status: StatusCode, content_type: &'static str, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn refuse(refusal: Refusal) -> Response<Full<Bytes>> {
    let mut response = response(refusal.status(), TEXT, refusal.text());
    if refusal == Refusal::WrongPassword {
        response.headers_mut().insert(WWW_AUTHENTICATE, CHALLENGE);
    }
    response
}

/// Adds the headers of what only the owner may see.
fn private(mut response: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
    for (name, value) in
        [(CACHE_CONTROL, "no-store"), (X_CONTENT_TYPE_OPTIONS, "nosniff"), (RESOURCE_POLICY, "same-origin")]
    {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
