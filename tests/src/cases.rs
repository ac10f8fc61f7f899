//! Runs the cases over the network against any adapter.

use std::{
    collections::BTreeMap,
    panic::{self, AssertUnwindSafe},
    sync::{Arc, Mutex, PoisonError},
};

use http::StatusCode;
use libtest_mimic::{Failed, Trial};

use crate::{
    adapter::{Adapter, Feature, Running, Settings},
    case::{Case, Request, ResponseSpec, UpstreamResponse, bytes},
    case_files::{self, Template},
    core,
    expectations::{self, ClientResponse, Message, UpstreamRequest},
    raw_connection::{Head, RawConnection},
    upstream::{ReceivedRequest, RespondingUpstream, with_accept_key},
};

/// Nothing listens on this port.
const UNREACHABLE: &str = "127.0.0.1:1";

/// One trial per case. Cases with the same settings share one running proxy in turn; the last one stops it.
#[must_use]
pub fn trials(adapter: &Arc<dyn Adapter>) -> Vec<Trial> {
    let mut fixtures: BTreeMap<(Settings, bool), Arc<Mutex<Option<Fixture>>>> = BTreeMap::new();
    let mut trials = Vec::new();
    for template in case_files::load() {
        let case = template.at(UNREACHABLE);
        let upgrade = case.request.is_upgrade().then_some(Feature::WebSocket);
        let mut needs = case.needs.iter().copied().chain(upgrade);
        if case.core_only.is_some() || !needs.all(|feature| adapter.supports(feature)) {
            continue;
        }
        let reachable = !matches!(case.response, UpstreamResponse::Unreachable);
        let fixture = Arc::clone(fixtures.entry((core::settings(&case, UNREACHABLE), reachable)).or_default());
        let unsupported = adapter.unsupported_reason(&template.file, &template.name);
        let file = unsupported.map_or_else(|| template.file.clone(), |_| format!("unsupported::{}", template.file));
        let name = format!("{}::{file}::{}", adapter.name(), template.name);
        let adapter = Arc::clone(adapter);
        trials.push(Trial::test(name, move || match unsupported {
            None => run(&*adapter, &template, reachable, &fixture),
            Some(why) => fails(|| run(&*adapter, &template, reachable, &fixture), why),
        }));
    }
    trials
}

/// Checks that a case listed as unsupported does fail.
fn fails(run: impl FnOnce() -> Result<(), Failed>, why: &str) -> Result<(), Failed> {
    match panic::catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(())) => Err(format!("the case passes, but the table lists it as unsupported: {why:?}").into()),
        Ok(Err(_)) | Err(_) => Ok(()),
    }
}

fn run(
    adapter: &dyn Adapter,
    template: &Template,
    reachable: bool,
    fixture: &Mutex<Option<Fixture>>,
) -> Result<(), Failed> {
    let mut slot = fixture.lock().unwrap_or_else(PoisonError::into_inner);
    // Taken out while in use, so that a case that panics leaves no fixture to the next one.
    let fixture = slot.take().unwrap_or_else(|| Fixture::start(adapter, template, reachable));
    let case = template.at(&fixture.authority);
    let (requests, response) = fixture.exchange(&case);
    *slot = Some(fixture);
    let mismatches = expectations::mismatches(&case, &requests, &response);
    if mismatches.is_empty() { Ok(()) } else { Err(mismatches.join("\n").into()) }
}

/// A running proxy and its upstream.
struct Fixture {
    proxy: Box<dyn Running>,
    upstream: RespondingUpstream,
    /// The upstream's response to every request.
    response: Arc<Mutex<Vec<u8>>>,
    authority: String,
}

impl Fixture {
    fn start(adapter: &dyn Adapter, template: &Template, reachable: bool) -> Self {
        let response = Arc::<Mutex<Vec<u8>>>::default();
        let next = Arc::clone(&response);
        let upstream = RespondingUpstream::start(move |received| {
            with_accept_key(next.lock().unwrap_or_else(PoisonError::into_inner).clone(), &received.head)
        });
        let authority = if reachable { upstream.address().to_string() } else { UNREACHABLE.to_owned() };
        let proxy = adapter.start(&core::settings(&template.at(&authority), &authority));
        Self { proxy, upstream, response, authority }
    }

    fn exchange(&self, case: &Case) -> (Vec<UpstreamRequest>, ClientResponse) {
        if let UpstreamResponse::Response(upstream) = &case.response {
            *self.response.lock().unwrap_or_else(PoisonError::into_inner) = upstream.to_bytes(&case.request);
        }
        let mut client = RawConnection::connect(self.proxy.address());
        client.send(case.request.to_bytes());
        let response = read_response(&mut client, &case.request);
        (self.upstream.take().into_iter().map(upstream_request).collect(), response)
    }
}

fn upstream_request(received: ReceivedRequest) -> UpstreamRequest {
    let ReceivedRequest { head, body } = received;
    let (method, target) = (head.word(0).to_owned(), head.word(1).into());
    UpstreamRequest { method, target, message: Message { headers: head.headers, body } }
}

fn read_response(client: &mut RawConnection, request: &Request) -> ClientResponse {
    let mut head = client.head();
    while head.status() == 100 {
        head = client.head();
    }
    let status = head.status();
    let body = if is_bodiless(request, status) { Vec::new() } else { client.body(&head) };
    let Head { headers, .. } = head;
    ClientResponse { status, message: Message { headers, body } }
}

fn is_bodiless(request: &Request, status: u16) -> bool {
    request.method == "HEAD" || [101, 204, 304].contains(&status)
}

impl Request {
    fn is_upgrade(&self) -> bool {
        self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("upgrade"))
    }

    fn to_bytes(&self) -> Vec<u8> {
        let start = [self.method.as_bytes(), b" ", &bytes(&self.target), b" HTTP/1.1"].concat();
        message(&start, self.fields(), &bytes(&self.body))
    }
}

impl ResponseSpec {
    fn to_bytes(&self, request: &Request) -> Vec<u8> {
        let reason = StatusCode::from_u16(self.status).ok().and_then(|status| status.canonical_reason());
        let start = format!("HTTP/1.1 {} {}", self.status, reason.unwrap_or_default());
        let mut fields: Vec<_> = self.headers.iter().map(|(name, value)| (&**name, bytes(value))).collect();
        let body = if is_bodiless(request, self.status) { Vec::new() } else { bytes(&self.body) };
        let is_framed = self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        if !is_framed && !is_bodiless(request, self.status) {
            fields.push(("content-length", body.len().to_string().into()));
        }
        message(start.as_bytes(), fields, &body)
    }
}

fn message(start: &[u8], fields: Vec<(&str, Vec<u8>)>, body: &[u8]) -> Vec<u8> {
    let line = |(name, value): (&str, Vec<u8>)| [name.as_bytes(), b": ", &value, b"\r\n"].concat();
    let lines: Vec<u8> = fields.into_iter().flat_map(line).collect();
    [start, b"\r\n", &lines, b"\r\n", body].concat()
}
