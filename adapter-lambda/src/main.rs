//! Sparekey as an AWS Lambda function.
//!
//! **In scope:** Lambda's Runtime API, events and their answers, settings by reference, the deadline.
//! **Out of scope:** every decision over heads, which [`sparekey_core`] owns; the way to the upstream, which is the
//! server's ([`sparekey::upstream`]).

mod answer;
mod deadline;
mod event;
mod loopback;
mod pairs;
mod proxy;
mod references;
mod runtime_api;
mod settings;
mod stream;
mod target;
mod thaw;

use std::{env, error::Error, process::ExitCode, rc::Rc};

use tokio::task::{JoinSet, LocalSet};

use crate::{proxy::Proxy, runtime_api::RuntimeApi};

fn main() -> ExitCode {
    match start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sparekey-lambda: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Polls for as long as the environment lives.
fn start() -> Result<(), Box<dyn Error>> {
    settings::start_log();
    let api = env::var("AWS_LAMBDA_RUNTIME_API").map_err(|_| "AWS_LAMBDA_RUNTIME_API is not set; Lambda sets it")?;
    let at_once = env::var("AWS_LAMBDA_MAX_CONCURRENCY").ok().and_then(|number| number.parse().ok()).unwrap_or(1);
    let proxy = Rc::new(Proxy::new(|name| env::var(name).ok())?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let mut pollers = JoinSet::new();
        for _ in 0..at_once.max(1) {
            let (api, proxy) = (RuntimeApi::new(&api)?, Rc::clone(&proxy));
            pollers.spawn_local(poll(api, proxy));
        }
        // Where one can't go on none can: Lambda then starts the environment anew.
        pollers.join_next().await.map_or(Ok(()), |end| end?)
    })
}

/// One request after the other.
async fn poll(mut api: RuntimeApi, proxy: Rc<Proxy>) -> Result<(), Box<dyn Error>> {
    loop {
        let invocation = api.next().await?;
        match proxy.serve(&invocation).await {
            Ok(answer) => api.respond(&invocation.id, answer).await,
            Err(error) => api.fail(&invocation.id, &error).await,
        }
    }
}
