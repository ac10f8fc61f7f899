//! DynamoDB by moto, a process of the tests' own, and a plain client of it.

use std::{
    env,
    io::{BufRead as _, BufReader},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

use sparekey_ledger::dynamodb::{DynamoDb, Options, Request, Response, Table, Transport, TransportError};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::LocalSet,
};

/// The Python that has moto.
const PYTHON: &str = "MOTO_PYTHON";

pub const MISSING: &str = "MOTO_PYTHON names no Python with moto";

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A server. It ends with its standard input, also if the test is killed.
pub struct Moto {
    pub port: u16,
    _input: ChildStdin,
    _process: Child,
}

impl Moto {
    /// The server that all tests of this process share, if there is a Python with moto.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Moto>> = OnceLock::new();
        SHARED.get_or_init(Self::start).as_ref()
    }

    /// Starts a server.
    pub fn start() -> Option<Self> {
        let python = env::var_os(PYTHON).filter(|python| !python.is_empty())?;
        let mut command = Command::new(python);
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dynamodb/server.py"));
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().parse().expect("the server prints its port");
        Some(Self { port, _input: process.stdin.take().unwrap(), _process: process })
    }

    /// Creates a table.
    pub fn create_table(&self) -> Table {
        let table = self.table(&format!("ledger{}", NEXT.fetch_add(1, Ordering::Relaxed)));
        let attribute = |name: &str, kind: &str| format!(r#"{{"AttributeName":"{name}","{kind}"#);
        let keys = [attribute("pk", r#"KeyType":"HASH"}"#), attribute("sk", r#"KeyType":"RANGE"}"#)].join(",");
        let attributes = ["pk", "sk"].map(|name| attribute(name, r#"AttributeType":"S"}"#)).join(",");
        let body = format!(
            r#"{{"TableName":"{}","BillingMode":"PAY_PER_REQUEST","KeySchema":[{keys}],"AttributeDefinitions":[{attributes}]}}"#,
            table.name()
        );
        let response = self.send("CreateTable", body.into_bytes());
        assert_eq!(response.status, 200, "{}", String::from_utf8_lossy(&response.body));
        table
    }

    /// Sends a request with any signature.
    pub fn send(&self, operation: &str, body: Vec<u8>) -> Response {
        let scope = "Credential=x/20261127/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=x";
        let headers = vec![
            ("authorization", format!("AWS4-HMAC-SHA256 {scope}")),
            ("content-type", "application/x-amz-json-1.0".to_owned()),
            ("x-amz-target", format!("DynamoDB_20120810.{operation}")),
        ];
        let request = Request { url: format!("http://127.0.0.1:{}/", self.port), headers, body };
        runtime().block_on(Plain.send(request)).unwrap()
    }

    /// Returns a table of this server.
    pub fn table(&self, name: &str) -> Table {
        table_at(&format!("http://127.0.0.1:{}", self.port), name)
    }
}

pub fn table_at(endpoint: &str, name: &str) -> Table {
    let get = |name: &str| {
        let value = match name {
            "AWS_REGION" => "us-east-1",
            "AWS_ENDPOINT_URL_DYNAMODB" => endpoint,
            _ => "x",
        };
        Some(value.to_owned())
    };
    Table::from_env(name, get).unwrap()
}

/// Runs the engine in a thread, until it is closed or dropped.
pub fn open(table: Table, transport: impl Transport + Send, options: Options) -> DynamoDb {
    let (tx, rx) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let runtime = runtime();
        let (ledger, serve) = DynamoDb::new(table, transport, options);
        tx.send(ledger).unwrap();
        LocalSet::new().block_on(&runtime, serve);
    });
    rx.recv().unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A connection per request.
pub struct Plain;

impl Transport for Plain {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let address = request.url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let not_sent = |error: std::io::Error| TransportError::NotSent(error.to_string());
        let mut stream = TcpStream::connect(&address).await.map_err(not_sent)?;
        let exchange = async {
            let lines = request.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
            let length = format!("content-length: {}\r\n\r\n", request.body.len());
            let head = ["POST / HTTP/1.1\r\nconnection: close\r\n".to_owned()].into_iter().chain(lines).chain([length]);
            let head: String = head.collect();
            stream.write_all(&[head.as_bytes(), &request.body].concat()).await?;
            let mut response = Vec::new();
            stream.read_to_end(&mut response).await?;
            Ok::<_, std::io::Error>(response)
        };
        let response = exchange.await.map_err(|error| TransportError::Interrupted(error.to_string()))?;
        let end = response.windows(4).position(|window| window == b"\r\n\r\n");
        let end = end.ok_or_else(|| TransportError::Interrupted("no response".to_owned()))?;
        let status = String::from_utf8_lossy(&response[..end]).split(' ').nth(1).unwrap().parse().unwrap();
        Ok(Response { status, body: response[end + 4..].to_vec() })
    }
}
