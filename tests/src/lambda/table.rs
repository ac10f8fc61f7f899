//! DynamoDB tables by [moto](https://docs.getmoto.org), which is installed into the cache.

use std::{
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use serde_json::{Value, json};

use crate::{
    adapter::Settings, chat, clients, process::Process, raw_connection::RawConnection, upstream::ReceivedRequest,
};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../ledger/tests/dynamodb");

/// Any will do for moto.
const SECRET: &str = "secretAccessKeyOfTheSuite0123456789";

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A server, which ends when it is dropped, or with this process.
pub(super) struct Moto {
    pub(super) process: Process,
    address: SocketAddr,
}

impl Moto {
    /// The server that tests share.
    pub(super) fn shared() -> &'static Self {
        static SHARED: OnceLock<Moto> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// # Panics
    /// If moto cannot be installed.
    pub(super) fn start() -> Self {
        let requirements = Path::new(FOLDER).join("requirements.txt");
        let home = clients::python_with("moto", &requirements).expect("moto installs");
        let mut command = Command::new(home.join("bin/python"));
        command.arg(Path::new(FOLDER).join("server.py"));
        let process = Process::start_with_stdin(&mut command, &Settings::new(), Stdio::piped());
        let port: u16 = process.wait_for(|line| line.parse().ok());
        Self { process, address: ([127, 0, 0, 1], port).into() }
    }

    /// Creates a table; returns the settings of a function that uses it.
    pub(super) fn create_table(&self) -> Table {
        let name = format!("sparekey{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let keys = [("pk", "HASH"), ("sk", "RANGE")];
        let table = Table { address: self.address, name };
        table.call(
            "CreateTable",
            &json!({
                "BillingMode": "PAY_PER_REQUEST",
                "KeySchema": keys.map(|(name, kind)| json!({ "AttributeName": name, "KeyType": kind })),
                "AttributeDefinitions": keys.map(|(name, _)| json!({ "AttributeName": name, "AttributeType": "S" })),
            }),
        );
        table
    }
}

/// A table.
pub(super) struct Table {
    address: SocketAddr,
    name: String,
}

impl Table {
    /// The settings of a function that uses the table.
    pub(super) fn settings(&self) -> Vec<(&'static str, String)> {
        settings(self.address, &self.name)
    }

    /// The settings of a function that uses the table over another address.
    pub(super) fn settings_over(&self, address: SocketAddr) -> Vec<(&'static str, String)> {
        settings(address, &self.name)
    }

    /// Sends a request on; returns the response. moto closes a connection after it, which DynamoDB does not.
    pub(super) fn forward(&self, request: &ReceivedRequest) -> Vec<u8> {
        let mut connection = RawConnection::connect(self.address);
        connection.send([&*request.head.raw, &*request.body].concat());
        let head = connection.head();
        let body = connection.body(&head);
        let status = head.line.split_once(' ').expect("a status line").1;
        chat::response(status, &String::from_utf8(body).expect("JSON"))
    }

    /// The rows of requests.
    pub(super) fn rows(&self) -> Vec<Value> {
        let Value::Array(items) = self.call("Scan", &json!({}))["Items"].take() else { panic!("no items") };
        items.into_iter().filter(|item| item["pk"]["S"].as_str().is_some_and(|key| key.starts_with("l#"))).collect()
    }

    fn call(&self, operation: &str, body: &Value) -> Value {
        let mut body = body.clone();
        body["TableName"] = json!(self.name);
        let body = body.to_string();
        let scope = "Credential=x/20261127/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=x";
        let mut connection = RawConnection::connect(self.address);
        connection.send(format!(
            "POST / HTTP/1.1\r\nhost: x\r\nauthorization: AWS4-HMAC-SHA256 {scope}\r\nx-amz-target: \
             DynamoDB_20120810.{operation}\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ));
        let head = connection.head();
        let body = connection.body(&head);
        assert_eq!(head.status(), 200, "{}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).expect("JSON")
    }
}

/// The settings of a function whose table is there.
pub(super) fn settings(address: SocketAddr, name: &str) -> Vec<(&'static str, String)> {
    vec![
        ("LEDGER", format!("dynamodb:{name}")),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
        ("AWS_ENDPOINT_URL_DYNAMODB", format!("http://{address}")),
    ]
}
