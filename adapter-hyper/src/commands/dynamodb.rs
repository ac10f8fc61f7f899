//! The ledger of a Lambda function, from the owner's machine: its DynamoDB table, with the region and the credentials of the
//! environment.

use std::{io, sync::mpsc, thread, time::Duration};

use bytes::Bytes;
use http::Uri;
use sparekey_ledger::dynamodb::{
    self, DynamoDb, Options, Request, Response, Table, TableError, Transport, TransportError,
};
use tokio::{runtime::Builder, task::LocalSet};

use super::Failure;
use crate::{
    config::sources::environment,
    outbound::{self, Service},
};

pub(crate) type Reader = dynamodb::Reader<Service>;

/// For a step: the owner's machine can be far from the region.
const DEADLINE: Duration = Duration::from_secs(25);

const REGION: &str = "AWS_REGION";
/// Where the AWS CLI has the region if `AWS_REGION` is not set.
const DEFAULT_REGION: &str = "AWS_DEFAULT_REGION";

/// Opens a table to read it.
///
/// # Errors
/// [`Failure`]
pub(crate) fn read(name: &str) -> Result<Reader, Failure> {
    let (table, service) = connect(name)?;
    Reader::new(table, service, &options()).map_err(|error| Failure::Problem(error.to_string()))
}

/// Opens a table beside its functions. The engine runs in a thread until it is closed.
///
/// # Errors
/// [`Failure`]
pub(crate) fn write(name: &str) -> Result<DynamoDb, Failure> {
    let (table, service) = connect(name)?;
    let problem = |error: io::Error| Failure::Problem(format!("cannot start the ledger: {error}"));
    let runtime = Builder::new_current_thread().enable_all().build().map_err(problem)?;
    let (tx, rx) = mpsc::channel();
    let run = move || {
        let (ledger, serve) = DynamoDb::new(table, service, options());
        // The caller waits.
        _ = tx.send(ledger);
        LocalSet::new().block_on(&runtime, serve);
    };
    thread::Builder::new().name("ledger".to_owned()).spawn(run).map_err(problem)?;
    rx.recv().map_err(|error| problem(io::Error::other(error)))
}

fn options() -> Options {
    // `USAGE_RETENTION` is a setting of the function: DynamoDB keeps what a command writes.
    Options { deadline: DEADLINE, retention: None, ..Options::default() }
}

fn connect(name: &str) -> Result<(Table, Service), Failure> {
    let table = table(name, environment).map_err(Failure::Usage)?;
    let address = table.endpoint().parse::<Uri>().map_err(|error| error.to_string());
    let service = address.and_then(|address| Service::new(&address));
    Ok((table, service.map_err(|error| Failure::Problem(format!("DynamoDB: {error}")))?))
}

fn table(name: &str, get: impl Fn(&str) -> Option<String>) -> Result<Table, String> {
    let set = |name: &str| get(name).filter(|value| !value.trim().is_empty());
    let value = |name: &str| set(name).or_else(|| if name == REGION { set(DEFAULT_REGION) } else { None });
    Table::from_env(name, value).map_err(|error| match error {
        TableError::Missing(REGION) => format!("{error}: export the region of the function"),
        TableError::Missing(_) => {
            format!(
                "{error}: `eval \"$(aws configure export-credentials --format env)\"` exports those of your profile"
            )
        }
        error => error.to_string(),
    })
}

impl Transport for Service {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let request = request.into_http();
        let request = request.map_err(|error| TransportError::NotSent(format!("DynamoDB: {error}")))?;
        let response = self.send(request.map(Bytes::from)).await.map_err(|failure| match failure {
            outbound::Failure::NotSent(reason) => TransportError::NotSent(format!("DynamoDB: {reason}")),
            outbound::Failure::Interrupted(reason) => TransportError::Interrupted(format!("DynamoDB: {reason}")),
        })?;
        Ok(Response { status: response.status().as_u16(), body: response.into_body().into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_variables() {
        for (unset, help) in [
            ("AWS_REGION", "export the region"),
            ("AWS_ACCESS_KEY_ID", "aws configure export-credentials --format env"),
            ("AWS_SECRET_ACCESS_KEY", "aws configure export-credentials --format env"),
        ] {
            let is_set = |name: &str| name != unset && (name == REGION || name.contains("_KEY"));
            let get = |name: &str| is_set(name).then(|| "x".to_owned());
            let problem = table("sparekey", get).map(drop).unwrap_err();
            assert!(problem.starts_with(&format!("{unset} is not set: ")) && problem.contains(help), "{problem}");
        }
    }

    #[test]
    fn region_of_the_aws_cli() {
        for (first, expected) in [
            ("eu-west-1", "https://dynamodb.eu-west-1.amazonaws.com"),
            (" ", "https://dynamodb.eu-north-1.amazonaws.com"),
        ] {
            let get = |name: &str| match name {
                REGION => Some(first),
                DEFAULT_REGION => Some("eu-north-1"),
                "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("x"),
                _ => None,
            };
            let table = table("sparekey", |name| get(name).map(str::to_owned)).unwrap();
            assert_eq!(table.endpoint(), expected);
        }
    }
}
