//! Settings from text bindings and the Secrets Store; invalid ones are reported without secrets.

use super::{RunningWorker, read_response};
use crate::{
    adapter::{Running as _, Settings},
    case_files::{self, KEY},
    core,
    raw_connection::RawConnection,
    upstream::RespondingUpstream,
    wire::{self, error_code, request},
    worker::Worker,
};

/// Runs every case of invalid settings.
pub(super) fn invalid(worker: &Worker) {
    let unreachable = "127.0.0.1:1";
    let cases = case_files::load().into_iter().map(|template| template.at(unreachable));
    // Users files are compiled before; `users` has the errors of the compiled form.
    let has_users = |settings: &Settings| settings.contains_key("USERS");
    let invalid: Vec<_> = cases.filter(|case| !case.rejected.is_empty() && !has_users(&case.settings)).collect();
    assert!(invalid.len() > 20, "the cases are loaded");
    for case in invalid {
        let settings = core::settings(&case, unreachable);
        let message = logged_problem(&worker.serve(&settings, ""));
        for text in &case.rejected {
            assert!(message.contains(text), "{}: no {text} in {message}", case.name);
        }
        let texts = settings.values().flat_map(|value| value.split([',', ';', ' ', '\n', '/', '@']));
        for text in texts.filter(|text| text.contains("sk-") || text.contains("secret")) {
            assert!(!message.contains(text), "{}: {text} in {message}", case.name);
        }
    }
}

/// The log's line about the settings; the response says only that there is one.
fn logged_problem(proxy: &RunningWorker) -> String {
    let mut client = RawConnection::connect(proxy.address());
    client.send(request("GET", "/v1/models", "origin: https://a.example\r\n"));
    let (head, body) = read_response(&mut client);
    assert_eq!(head.status(), 500);
    assert_eq!(head.header("access-control-allow-origin"), Some("*"));
    assert_eq!(error_code(&body), "misconfigured");
    let line = proxy.process.wait_for(|line| line.contains("invalid settings: ").then(|| line.to_owned()));
    let (_, problem) = line.split_once("invalid settings: ").expect("the line has a problem");
    assert!(!String::from_utf8_lossy(&body).contains(problem));
    problem.to_owned()
}

pub(super) fn from_store(worker: &Worker) {
    let upstream = RespondingUpstream::start(|_| b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec());
    let mut settings = wire::settings(&format!("http://{}", upstream.address()), &[]);
    settings.remove("ACCESS_KEYS");
    let proxy = worker.serve(&settings, &store(&format!("(name = \"value\", text = {KEY:?})")));
    for _ in 0..2 {
        let mut client = RawConnection::connect(proxy.address());
        client.send(request("GET", "/v1/models", ""));
        assert_eq!(read_response(&mut client).0.status(), 200);
    }
}

pub(super) fn store_unavailable(worker: &Worker) {
    let mut settings = wire::settings("http://127.0.0.1:1", &[]);
    settings.remove("ACCESS_KEYS");
    let proxy = worker.serve(&settings, &store(""));
    assert!(logged_problem(&proxy).contains("ACCESS_KEYS is set, but its secret store returns no value"));
}

fn store(inner: &str) -> String {
    format!(r#"(name = "ACCESS_KEYS", wrapped = (moduleName = "store", innerBindings = [{inner}]))"#)
}
