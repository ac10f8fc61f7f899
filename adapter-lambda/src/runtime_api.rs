//! Client of Lambda's [Runtime API](https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html): events in,
//! responses out. `docs/decisions/lambda-runtime.md` has the reasons against `lambda_runtime`.
//!
//! A connection polls for an event and then sends its response: the number of connections is the concurrency.

use std::{error::Error, io};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, header};
use http_body_util::{BodyExt as _, Either, Full};
use hyper::body::Incoming;
use tokio::time::Instant;

use crate::{deadline, loopback::Loopback, response::LambdaResponse, stream::StreamedResponse};

const NEXT: &str = "/2018-06-01/runtime/invocation/next";
const REQUEST_ID: &str = "lambda-runtime-aws-request-id";
/// Identifies an invocation where several run concurrently; sent back unchanged.
const INVOCATION_ID: &str = "lambda-runtime-invocation-id";
const DEADLINE: &str = "lambda-runtime-deadline-ms";
const RESPONSE_MODE: &str = "lambda-runtime-function-response-mode";
/// Content type of a [streamed response with a prelude][streaming].
///
/// [streaming]: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html#runtimes-custom-response-streaming
const STREAM_TYPE: &str = "application/vnd.awslambda.http-integration-response";

/// A connection to the Runtime API.
#[derive(Debug)]
pub(crate) struct RuntimeApi(Loopback<Post>);

type Post = Either<Full<Bytes>, Box<StreamedResponse>>;

/// Identifies an invocation.
#[derive(Debug)]
pub(crate) struct Id {
    request: String,
    invocation: Option<String>,
}

/// An event and its deadline.
#[derive(Debug)]
pub(crate) struct Invocation {
    pub(crate) id: Id,
    pub(crate) event: Bytes,
    /// When to stop waiting for the upstream.
    pub(crate) deadline: Instant,
}

impl RuntimeApi {
    pub(crate) fn new(base: &str) -> Result<Self, http::Error> {
        Loopback::new(base).map(Self)
    }

    /// Waits for the next event, which may take days. If the connection breaks meanwhile, it is opened again, once.
    pub(crate) async fn next(&mut self) -> Result<Invocation, Box<dyn Error>> {
        match self.poll().await {
            Err(error) if error.is::<io::Error>() => self.poll().await,
            outcome => outcome,
        }
    }

    async fn poll(&mut self) -> Result<Invocation, Box<dyn Error>> {
        let request = Request::get(NEXT).body(Either::Left(Full::default()))?;
        let (head, body) = self.0.send(request).await?.into_parts();
        let event = body.collect().await.map_err(io::Error::other)?.to_bytes();
        if !head.status.is_success() {
            return Err(format!("Runtime API responded to a poll with {}", head.status).into());
        }
        let text = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
        let request = text(REQUEST_ID).ok_or("Runtime API sent no request id")?.to_owned();
        let deadline = deadline::upstream_deadline(text(DEADLINE).and_then(|millis| millis.parse().ok()));
        Ok(Invocation { id: Id { request, invocation: text(INVOCATION_ID).map(str::to_owned) }, event, deadline })
    }

    /// Sends a response and waits until Lambda has accepted all of it.
    pub(crate) async fn respond(&mut self, id: &Id, response: LambdaResponse) {
        let post = Request::builder();
        let (post, body) = match response {
            LambdaResponse::Whole(json) => {
                (post.header(header::CONTENT_TYPE, "application/json"), Either::Left(json.into()))
            }
            LambdaResponse::Stream(body) => {
                let post = post.header(header::CONTENT_TYPE, STREAM_TYPE).header(RESPONSE_MODE, "streaming");
                (post, Either::Right(body))
            }
        };
        self.post(id, "response", post.body(body)).await;
    }

    /// Reports an event that could not be read.
    pub(crate) async fn fail(&mut self, id: &Id, error: &dyn Error) {
        tracing::error!("invalid event: {error}");
        let report = serde_json::json!({ "errorType": "Event.NotHttp", "errorMessage": error.to_string() });
        let post = Request::builder().header("lambda-runtime-function-error-type", "Event.NotHttp");
        self.post(id, "error", post.body(Either::Left(report.to_string().into()))).await;
    }

    /// An error here ends this invocation only, and Lambda has seen it too: log it and go on.
    async fn post(&mut self, id: &Id, kind: &str, post: http::Result<Request<Post>>) {
        let sent = async {
            let mut post = post?;
            *post.method_mut() = Method::POST;
            *post.uri_mut() = format!("/2018-06-01/runtime/invocation/{}/{kind}", id.request).parse()?;
            insert_invocation_id(post.headers_mut(), id)?;
            let response: Response<Incoming> = self.0.send(post).await?;
            let status = response.status();
            // Read to the end, so that the connection can be reused.
            let text = response.into_body().collect().await?.to_bytes();
            if status.is_success() { Ok(()) } else { Err(format!("{status} {}", text.escape_ascii()).into()) }
        };
        let sent: Result<(), Box<dyn Error>> = sent.await;
        if let Err(error) = sent {
            tracing::warn!("Runtime API did not accept a response: {error}");
        }
    }
}

fn insert_invocation_id(headers: &mut HeaderMap, id: &Id) -> Result<(), http::Error> {
    if let Some(invocation) = &id.invocation {
        headers.insert(INVOCATION_ID, invocation.try_into()?);
    }
    Ok(())
}
