//! Cases over the wire, against any adapter.

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

/// One trial a case; cases of the same settings take turns at one running proxy, which ends with the last of them.
#[must_use]
pub fn trials(adapter: &Arc<dyn Adapter>) -> Vec<Trial> {
    let mut stages: BTreeMap<(Settings, bool), Arc<Mutex<Option<Stage>>>> = BTreeMap::new();
    let mut trials = Vec::new();
    for template in case_files::load() {
        let case = template.at(UNREACHABLE);
        let upgrade = case.request.asks_for_upgrade().then_some(Feature::WebSocket);
        let mut needs = case.needs.iter().copied().chain(upgrade);
        if case.core_only.is_some() || !needs.all(|feature| adapter.supports(feature)) {
            continue;
        }
        let reachable = !matches!(case.response, UpstreamResponse::Unreachable);
        let stage = Arc::clone(stages.entry((core::settings(&case, UNREACHABLE), reachable)).or_default());
        let excuse = adapter.unsupported_reason(&template.file, &template.name);
        let file = excuse.map_or_else(|| template.file.clone(), |_| format!("not_carried::{}", template.file));
        let name = format!("{}::{file}::{}", adapter.name(), template.name);
        let adapter = Arc::clone(adapter);
        trials.push(Trial::test(name, move || match excuse {
            None => run(&*adapter, &template, reachable, &stage),
            Some(why) => fails(|| run(&*adapter, &template, reachable, &stage), why),
        }));
    }
    trials
}

/// An excuse that is none must not stand.
fn fails(run: impl FnOnce() -> Result<(), Failed>, why: &str) -> Result<(), Failed> {
    match panic::catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(())) => Err(format!("it is carried, though {why:?} stands in the table").into()),
        Ok(Err(_)) | Err(_) => Ok(()),
    }
}

fn run(
    adapter: &dyn Adapter,
    template: &Template,
    reachable: bool,
    stage: &Mutex<Option<Stage>>,
) -> Result<(), Failed> {
    let mut turn = stage.lock().unwrap_or_else(PoisonError::into_inner);
    // Out of its place while it is used: a case that panics leaves nothing to the next one.
    let stage = turn.take().unwrap_or_else(|| Stage::set(adapter, template, reachable));
    let case = template.at(&stage.authority);
    let (seen, got) = stage.exchange(&case);
    *turn = Some(stage);
    let mismatches = expectations::mismatches(&case, &seen, &got);
    if mismatches.is_empty() { Ok(()) } else { Err(mismatches.join("\n").into()) }
}

/// A running proxy and its upstream.
struct Stage {
    proxy: Box<dyn Running>,
    upstream: RespondingUpstream,
    /// What the upstream answers to whatever comes.
    answer: Arc<Mutex<Vec<u8>>>,
    authority: String,
}

impl Stage {
    fn set(adapter: &dyn Adapter, template: &Template, reachable: bool) -> Self {
        let answer = Arc::<Mutex<Vec<u8>>>::default();
        let next = Arc::clone(&answer);
        let upstream = RespondingUpstream::start(move |received| {
            with_accept_key(next.lock().unwrap_or_else(PoisonError::into_inner).clone(), &received.head)
        });
        let authority = if reachable { upstream.address().to_string() } else { UNREACHABLE.to_owned() };
        let proxy = adapter.start(&core::settings(&template.at(&authority), &authority));
        Self { proxy, upstream, answer, authority }
    }

    fn exchange(&self, case: &Case) -> (Vec<UpstreamRequest>, ClientResponse) {
        if let UpstreamResponse::Response(answer) = &case.response {
            *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = answer.on_the_wire(&case.request);
        }
        let mut client = RawConnection::connect(self.proxy.address());
        client.send(case.request.on_the_wire());
        let got = got(&mut client, &case.request);
        (self.upstream.take().into_iter().map(seen).collect(), got)
    }
}

fn seen(received: ReceivedRequest) -> UpstreamRequest {
    let ReceivedRequest { head, body } = received;
    let (method, target) = (head.word(0).to_owned(), head.word(1).into());
    UpstreamRequest { method, target, message: Message { headers: head.headers, body } }
}

fn got(client: &mut RawConnection, request: &Request) -> ClientResponse {
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
    fn asks_for_upgrade(&self) -> bool {
        self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("upgrade"))
    }

    fn on_the_wire(&self) -> Vec<u8> {
        let start = [self.method.as_bytes(), b" ", &bytes(&self.target), b" HTTP/1.1"].concat();
        message(&start, self.fields(), &bytes(&self.body))
    }
}

impl ResponseSpec {
    fn on_the_wire(&self, request: &Request) -> Vec<u8> {
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
