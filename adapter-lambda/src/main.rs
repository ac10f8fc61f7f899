//! Sparekey as an AWS Lambda function.
//!
//! **In scope:** Lambda's Runtime API, events and responses, settings in secret stores, the deadline.
//!
//! **Out of scope:** decisions about heads (`sparekey-core`), the steps of a request (`sparekey-proxy`), the upstream
//! (`sparekey-upstream`).

mod deadline;
mod freeze;
mod handler;
mod ledger;
mod loopback;
mod prices;
mod response;
mod runtime_api;
mod secrets;
mod settings;
mod stream;
mod users;

use std::{env, error::Error, process::ExitCode, rc::Rc};

use sparekey_lambda::{event, target};
use tokio::task::{JoinSet, LocalSet};

use crate::{
    handler::{Handled, Handler},
    runtime_api::RuntimeApi,
};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sparekey-lambda: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Polls for events until the environment ends.
fn run() -> Result<(), Box<dyn Error>> {
    let access_log = settings::start_log();
    let api = env::var("AWS_LAMBDA_RUNTIME_API").map_err(|_| "AWS_LAMBDA_RUNTIME_API is not set; Lambda sets it")?;
    let concurrency = env::var("AWS_LAMBDA_MAX_CONCURRENCY").ok().and_then(|number| number.parse().ok()).unwrap_or(1);
    let handler = Rc::new(Handler::new(|name| env::var(name).ok(), access_log)?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let mut pollers = JoinSet::new();
        for _ in 0..concurrency.max(1) {
            let (api, handler) = (RuntimeApi::new(&api)?, Rc::clone(&handler));
            pollers.spawn_local(poll(api, handler));
        }
        // A poller ends only if the Runtime API fails, which affects them all; Lambda restarts the environment.
        pollers.join_next().await.map_or(Ok(()), |end| end?)
    })
}

/// Handles one event after the other.
async fn poll(mut api: RuntimeApi, handler: Rc<Handler>) -> Result<(), Box<dyn Error>> {
    loop {
        let invocation = api.next().await?;
        match handler.handle(&invocation).await {
            Ok(Handled { response, unsettled }) => {
                api.respond(&invocation.id, response).await;
                handler.settle(unsettled, invocation.deadline).await;
            }
            Err(error) => api.fail(&invocation.id, &error).await,
        }
    }
}
