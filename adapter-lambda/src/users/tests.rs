use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    sync::{Mutex, OnceLock, PoisonError},
    thread,
};

use http::Request;
use sparekey_core::Admission;

use super::*;

/// A stand-in for the extension with the parameter; `None`: it cannot be read.
struct Extension {
    value: Mutex<Option<&'static str>>,
    lookups: Mutex<usize>,
    port: OnceLock<String>,
}

static EXTENSION: Extension = Extension { value: Mutex::new(None), lookups: Mutex::new(0), port: OnceLock::new() };

const VALID: &str = "[users.Tom]";
const DISABLED: &str = "[users.Tom]\ndisabled = true";

impl Extension {
    fn start(&'static self) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        self.port.set(listener.local_addr().unwrap().port().to_string()).unwrap();
        thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let _ = stream.read(&mut [0; 1024]);
                *self.lookups.lock().unwrap() += 1;
                let value = *self.value.lock().unwrap();
                let body = value.map(|value| serde_json::json!({ "Parameter": { "Value": value } }).to_string());
                let (status, body) = body.map_or((404, String::new()), |body| (200, body));
                let _ = write!(stream, "HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            }
        });
    }

    fn set(&self, value: Option<&'static str>) {
        *self.value.lock().unwrap() = value;
    }

    fn lookups(&self) -> usize {
        std::mem::take(&mut *self.lookups.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn get(name: &str) -> Option<String> {
    match name {
        "OPENAI_API_KEY" => Some("sk-proj-abcdef".to_owned()),
        "ACCESS_KEYS" => Some("sk-Tom-abcdefgh".to_owned()),
        "USERS_PARAMETER" => Some("users".to_owned()),
        "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT" => EXTENSION.port.get().cloned(),
        _ => None,
    }
}

/// The status of Tom's request; 200 if it is admitted.
fn status(users: &ReloadedUsers) -> u16 {
    let request = Request::post("/v1/responses").header("host", "x").header("authorization", "Bearer sk-Tom-abcdefgh");
    let (head, ()) = request.body(()).unwrap().into_parts();
    match users.gate().load().admit(head.into(), |_| None, Default::default) {
        Ok(Admission::Limited(_)) => 200,
        Ok(other) => panic!("Tom has limits: {other:?}"),
        Err(rejection) => rejection.to_response().status().as_u16(),
    }
}

#[test]
fn users_are_read_again_and_the_last_valid_ones_stay() {
    EXTENSION.start();
    let start = SystemTime::now();
    let after = |seconds| start + Duration::from_secs(seconds);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        // Without a valid value, each key is refused, and the value is read again after a short time.
        EXTENSION.set(Some("[users.Tom]\nrequests_per_minute = 60"));
        let users = ReloadedUsers::init(get, HashMap::new(), None, start).await.unwrap();
        assert_eq!(status(&users), 503);
        EXTENSION.set(Some(VALID));
        users.refresh(after(4)).await;
        assert_eq!((status(&users), EXTENSION.lookups()), (503, 1));
        users.refresh(after(5)).await;
        assert_eq!((status(&users), EXTENSION.lookups()), (200, 1));

        // A valid value is used for a minute.
        EXTENSION.set(Some(DISABLED));
        users.refresh(after(64)).await;
        assert_eq!((status(&users), EXTENSION.lookups()), (200, 0));
        users.refresh(after(65)).await;
        assert_eq!((status(&users), EXTENSION.lookups()), (401, 1));

        // The last valid value stays, and a failure is remembered as long.
        for (seconds, failure) in [(125, Some("[users.Tom")), (185, None), (245, Some("[users.Tom]\nmodels = []"))] {
            EXTENSION.set(failure);
            users.refresh(after(seconds)).await;
            users.refresh(after(seconds + 59)).await;
            assert_eq!((status(&users), EXTENSION.lookups()), (401, 1), "{failure:?}");
        }

        // A user may have lost the last key.
        let with_key = format!("[users.Tom]\n[users.Eve]\nkeys = [\"sha256:{}\"]", "ab".repeat(32));
        for (seconds, value) in [(305, with_key.leak() as &str), (365, "[users.Tom]\n[users.Eve]")] {
            EXTENSION.set(Some(value));
            users.refresh(after(seconds)).await;
            assert_eq!((status(&users), EXTENSION.lookups()), (200, 1), "{value}");
        }
        EXTENSION.set(Some("[users.Tom]\ndisabled = true\n[users.Bob]"));
        users.refresh(after(425)).await;
        assert_eq!((status(&users), EXTENSION.lookups()), (200, 1), "a new user needs a key");

        // The clock was set back.
        EXTENSION.set(Some(VALID));
        users.refresh(start).await;
        assert_eq!((status(&users), EXTENSION.lookups()), (200, 1));
    });
}
