//! Chromium without a window, over the [DevTools protocol](https://chromedevtools.github.io/devtools-protocol/).

use std::{
    fs,
    net::TcpStream,
    path::{Path, PathBuf},
    process::{self, Command},
    sync::atomic::{AtomicUsize, Ordering},
};

use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use crate::{
    adapter::Settings,
    process::Process,
    programs,
    raw_connection::{STEP_TIMEOUT, wait_until},
};

/// Hosts below this one are this machine, but no secure context.
pub(crate) const PLAIN_HOST: &str = "sparekey.test";

/// A browser with one page.
pub(crate) struct Browser {
    socket: WebSocket<TcpStream>,
    session: Value,
    sent: u64,
    /// Those that no call has waited for.
    events: Vec<Value>,
    // Before the folder, so that the program ends first.
    _process: Process,
    _profile: Folder,
}

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Browser {
    pub(crate) fn start(program: &Path) -> Self {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let profile = Folder(std::env::temp_dir().join(format!("sparekey-browser-{}-{number}", process::id())));
        fs::create_dir_all(&profile.0).expect("create a folder");
        let mut environment = programs::environment(program);
        environment.insert("HOME".into(), profile.0.display().to_string());
        let process = start(program, &profile.0, &environment);
        let url = process.wait_for(|line| line.strip_prefix("DevTools listening on ").map(str::to_owned));
        let address = url.strip_prefix("ws://").and_then(|rest| rest.split('/').next()).expect("an address");
        let stream = TcpStream::connect(address).expect("connect to the browser");
        stream.set_read_timeout(Some(STEP_TIMEOUT)).expect("set a timeout");
        let (socket, _) = tungstenite::client(&*url, stream).expect("the handshake succeeds");
        let (session, events) = (Value::Null, Vec::new());
        let mut browser = Self { socket, session, sent: 0, events, _process: process, _profile: profile };
        let target = browser.call("Target.createTarget", &json!({"url": "about:blank"}));
        let attached = json!({"targetId": target["targetId"], "flatten": true});
        browser.session = browser.call("Target.attachToTarget", &attached)["sessionId"].clone();
        for domain in ["Page", "Runtime", "Log", "Audits", "Network"] {
            browser.call(&format!("{domain}.enable"), &json!({}));
        }
        browser.call("Emulation.setFocusEmulationEnabled", &json!({"enabled": true}));
        browser
    }

    /// Calls a method of the page and returns its result.
    pub(crate) fn call(&mut self, method: &str, params: &Value) -> Value {
        let response = self.respond(method, params);
        assert!(response["error"].is_null(), "{method}: {}", response["error"]);
        response["result"].clone()
    }

    /// Calls a method of the page and returns its response, with a result or an error.
    fn respond(&mut self, method: &str, params: &Value) -> Value {
        self.sent += 1;
        let mut message = json!({"id": self.sent, "method": method, "params": params});
        if !self.session.is_null() {
            message["sessionId"] = self.session.clone();
        }
        self.socket.send(Message::text(message.to_string())).expect("the browser reads");
        loop {
            let message = self.receive();
            if message["id"] == self.sent {
                return message;
            }
            self.events.push(message);
        }
    }

    /// Opens a page, and waits until it has loaded.
    pub(crate) fn open(&mut self, url: &str) {
        let is_loaded = |event: &Value| event["method"] == "Page.loadEventFired";
        // Those of links that were clicked.
        self.evaluate("1");
        self.events.retain(|event| !is_loaded(event));
        let opened = self.call("Page.navigate", &json!({"url": url}));
        assert!(opened["errorText"].is_null(), "{url}: {opened}");
        while !self.events.iter().any(is_loaded) {
            let event = self.receive();
            self.events.push(event);
        }
        self.events.retain(|event| !is_loaded(event));
    }

    /// The value of an expression, or of the promise that it is.
    pub(crate) fn evaluate(&mut self, expression: &str) -> Value {
        self.try_evaluate(expression).unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    /// [`evaluate`](Self::evaluate), or the browser's error: it began to load another page, for example.
    fn try_evaluate(&mut self, expression: &str) -> Result<Value, Value> {
        let params = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let Value::Object(mut response) = self.respond("Runtime.evaluate", &params) else { return Err(Value::Null) };
        if let Some(error) = response.remove("error") {
            return Err(error);
        }
        let result = &response["result"];
        assert!(result["exceptionDetails"].is_null(), "{expression}: {result}");
        Ok(result["result"]["value"].clone())
    }

    /// Errors since the start: on the console, in the log of the browser, exceptions, violations of the policy.
    pub(crate) fn errors(&mut self) -> Vec<Value> {
        // Events that precede this response have arrived.
        self.evaluate("1");
        let is_error = |event: &&Value| match event["method"].as_str() {
            Some("Runtime.exceptionThrown") => true,
            Some("Runtime.consoleAPICalled") => event["params"]["type"] == "error",
            Some("Log.entryAdded") => event["params"]["entry"]["level"] == "error",
            Some("Audits.issueAdded") => event["params"]["issue"]["code"] == "ContentSecurityPolicyIssue",
            _ => false,
        };
        self.events.iter().filter(is_error).cloned().collect()
    }

    /// The URLs of all requests since the start.
    pub(crate) fn requests(&mut self) -> Vec<String> {
        self.evaluate("1");
        let of_event = |event: &Value| Some(event["params"]["request"]["url"].as_str()?.to_owned());
        let is_request = |event: &&Value| event["method"] == "Network.requestWillBeSent";
        self.events.iter().filter(is_request).filter_map(of_event).collect()
    }

    /// Types a text into the element with the focus.
    pub(crate) fn enter(&mut self, text: &str) {
        self.call("Input.insertText", &json!({"text": text}));
    }

    /// Waits until an expression is true.
    pub(crate) fn wait_for(&mut self, expression: &str) {
        wait_until(expression, || self.try_evaluate(expression) == Ok(Value::Bool(true)));
    }

    /// Presses and releases a key, such as `Tab`.
    pub(crate) fn press(&mut self, key: &str, code: u32, text: &str) {
        for kind in ["keyDown", "keyUp"] {
            let mut params = json!({"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code});
            if kind == "keyDown" && !text.is_empty() {
                params["text"] = text.into();
            }
            self.call("Input.dispatchKeyEvent", &params);
        }
    }

    /// Clicks the centre of an element, which must be visible.
    pub(crate) fn click(&mut self, element: &str) {
        let at = self.evaluate(&format!(
            "(() => {{ const element = {element}; element.scrollIntoView({{ block: 'center' }}); \
             const {{ x, y, width, height }} = element.getBoundingClientRect(); \
             return {{ x: x + width / 2, y: y + height / 2 }} }})()"
        ));
        for kind in ["mousePressed", "mouseReleased"] {
            let params = json!({"type": kind, "x": at["x"], "y": at["y"], "button": "left", "clickCount": 1});
            self.call("Input.dispatchMouseEvent", &params);
        }
    }

    fn receive(&mut self) -> Value {
        loop {
            if let Message::Text(text) = self.socket.read().expect("the browser sends") {
                return serde_json::from_str(&text).expect("messages are JSON");
            }
        }
    }
}

fn start(program: &Path, profile: &Path, environment: &Settings) -> Process {
    let mut command = Command::new(program);
    // The sandbox needs rights that neither root in a container nor a user of some systems has.
    command.args(["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", "--no-first-run"]);
    // `/dev/shm` of a container may be too small.
    command.args(["--disable-dev-shm-usage", "--disable-background-networking", "--no-proxy-server"]);
    command.arg(format!("--host-resolver-rules=MAP {PLAIN_HOST} 127.0.0.1"));
    command.arg(format!("--user-data-dir={}", profile.display()));
    Process::start(&mut command, environment)
}
