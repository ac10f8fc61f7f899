//! The routes of the API, by family, and which of them are open.
//!
//! A literal segment matches byte for byte, so that an upstream cannot read another route than the gate. Escapes may stand
//! in variable segments only; a path that a tolerant upstream may read as a closed route is closed. A path with one trailing
//! slash is the same route.
//!
//! Source: [OpenAI's API reference](https://platform.openai.com/docs/api-reference); `tests/routes` lists the routes of its
//! SDKs.

use http::Method;
use sparekey_policy::Endpoint::{
    self, ChatCompletions, Completions, Embeddings, ImageEdits, ImageGenerations, Responses, Speech, Transcriptions,
    Translations,
};

use self::{
    Cost::{Bounded, Free, Unbounded},
    Family::{Administration, Compatible, Data, Ephemeral, Inference},
    ModelSource::{Body, Hidden, Multipart, NoneNeeded, Path, Query},
};

/// The methods of the API, and those of browsers.
pub(crate) const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

/// A group of routes that the owner opens together with `ROUTES`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Family {
    /// Requests to a model.
    Inference,
    /// Stored objects, which all users of the API key share.
    Data,
    /// Routes of compatible services.
    Compatible,
    /// Routes that create keys which work without the proxy, and after the access key was removed.
    Ephemeral,
    /// The owner's account. Never open.
    Administration,
}

/// What a request costs the owner.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Cost {
    Free,
    /// The cost has an upper bound that follows from the request.
    Bounded(Endpoint),
    Unbounded,
}

/// Where a request names its model.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ModelSource {
    Body,
    Multipart,
    Query,
    Path,
    /// The request uses no model.
    NoneNeeded,
    /// The model cannot be read from the request.
    Hidden,
}

/// A row of the table.
#[derive(Debug)]
pub(crate) struct Route {
    /// `*` is any method. HEAD matches GET, and OPTIONS any method.
    method: &'static str,
    /// `{}` is one segment; a last `*` is one or more.
    pattern: &'static str,
    /// The pattern before its first `{` or `*`.
    literal: &'static str,
    pub(crate) family: Family,
    pub(crate) cost: Cost,
    model: ModelSource,
}

const fn row(method: &'static str, pattern: &'static str, family: Family, cost: Cost, model: ModelSource) -> Route {
    Route { method, pattern, literal: literal_prefix(pattern), family, cost, model }
}

#[expect(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "evaluated at compile time")]
const fn literal_prefix(pattern: &str) -> &str {
    let mut end = 0;
    while end < pattern.len() && !matches!(pattern.as_bytes()[end], b'{' | b'*') {
        end += 1;
    }
    pattern.split_at(end).0
}

/// The table, sorted by the first segment of the pattern. The first matching row counts. A family's routes that are free are
/// listed with their methods, so that a new route of the API that changes something is not free.
static ROUTES: [Route; 131] = [
    row("*", "/agents", Administration, Unbounded, Hidden),
    row("*", "/agents/*", Administration, Unbounded, Hidden),
    row("GET", "/assistants", Data, Free, Hidden),
    row("POST", "/assistants", Data, Free, Hidden),
    row("*", "/assistants", Data, Unbounded, Hidden),
    row("GET", "/assistants/*", Data, Free, Hidden),
    row("DELETE", "/assistants/*", Data, Free, Hidden),
    row("POST", "/assistants/{}", Data, Free, Hidden),
    row("*", "/assistants/*", Data, Unbounded, Hidden),
    row("POST", "/audio/speech", Inference, Bounded(Speech), Body),
    row("POST", "/audio/transcriptions", Inference, Bounded(Transcriptions), Multipart),
    row("POST", "/audio/translations", Inference, Bounded(Translations), Multipart),
    row("*", "/audio/*", Data, Unbounded, Hidden),
    row("*", "/batches", Data, Unbounded, Hidden),
    row("*", "/batches/*", Data, Unbounded, Hidden),
    row("POST", "/chat/completions", Inference, Bounded(ChatCompletions), Body),
    row("GET", "/chat/completions", Data, Free, NoneNeeded),
    row("*", "/chat/completions", Data, Unbounded, Hidden),
    row("GET", "/chat/completions/*", Data, Free, NoneNeeded),
    row("DELETE", "/chat/completions/*", Data, Free, NoneNeeded),
    row("POST", "/chat/completions/{}", Data, Free, NoneNeeded),
    row("*", "/chat/completions/*", Data, Unbounded, Hidden),
    row("POST", "/chatkit/sessions", Ephemeral, Unbounded, Hidden),
    row("POST", "/chatkit/sessions/*", Ephemeral, Unbounded, Hidden),
    row("GET", "/chatkit/threads", Data, Free, NoneNeeded),
    row("*", "/chatkit/threads", Data, Unbounded, Hidden),
    row("GET", "/chatkit/threads/*", Data, Free, NoneNeeded),
    row("DELETE", "/chatkit/threads/*", Data, Free, NoneNeeded),
    row("*", "/chatkit/threads/*", Data, Unbounded, Hidden),
    row("POST", "/classify", Compatible, Unbounded, Body),
    row("POST", "/completions", Inference, Bounded(Completions), Body),
    row("*", "/containers", Data, Unbounded, NoneNeeded),
    row("*", "/containers/*", Data, Unbounded, NoneNeeded),
    row("POST", "/content_provenance_checks", Inference, Unbounded, Hidden),
    row("GET", "/conversations", Data, Free, NoneNeeded),
    row("POST", "/conversations", Data, Free, NoneNeeded),
    row("*", "/conversations", Data, Unbounded, Hidden),
    row("GET", "/conversations/*", Data, Free, NoneNeeded),
    row("DELETE", "/conversations/*", Data, Free, NoneNeeded),
    row("POST", "/conversations/{}", Data, Free, NoneNeeded),
    row("POST", "/conversations/{}/items", Data, Free, NoneNeeded),
    row("*", "/conversations/*", Data, Unbounded, Hidden),
    row("*", "/dashboard", Administration, Unbounded, Hidden),
    row("*", "/dashboard/*", Administration, Unbounded, Hidden),
    row("POST", "/decisions", Inference, Unbounded, Body),
    row("POST", "/deployments/{}/chat/completions", Compatible, Bounded(ChatCompletions), Path),
    row("POST", "/deployments/{}/completions", Compatible, Bounded(Completions), Path),
    row("POST", "/deployments/{}/embeddings", Compatible, Bounded(Embeddings), Path),
    row("*", "/deployments/*", Compatible, Unbounded, Path),
    row("POST", "/detokenize", Compatible, Free, Body),
    row("POST", "/embeddings", Inference, Bounded(Embeddings), Body),
    row("*", "/evals", Data, Unbounded, Hidden),
    row("*", "/evals/*", Data, Unbounded, Hidden),
    row("*", "/files", Data, Unbounded, NoneNeeded),
    row("*", "/files/*", Data, Unbounded, NoneNeeded),
    row("*", "/fine_tuning/checkpoints/{}/permissions", Administration, Unbounded, Hidden),
    row("*", "/fine_tuning/checkpoints/{}/permissions/*", Administration, Unbounded, Hidden),
    row("*", "/fine_tuning/*", Data, Unbounded, Hidden),
    row("POST", "/images/edits", Inference, Bounded(ImageEdits), Multipart),
    row("POST", "/images/generations", Inference, Bounded(ImageGenerations), Body),
    row("POST", "/images/variations", Inference, Unbounded, Multipart),
    row("GET", "/live/sessions/{}/content", Data, Free, NoneNeeded),
    row("*", "/live/*", Inference, Unbounded, Hidden),
    row("*", "/login", Administration, Unbounded, Hidden),
    row("*", "/login/*", Administration, Unbounded, Hidden),
    row("*", "/me", Administration, Unbounded, Hidden),
    row("*", "/me/*", Administration, Unbounded, Hidden),
    row("POST", "/messages", Compatible, Unbounded, Body),
    row("POST", "/messages/*", Compatible, Unbounded, Hidden),
    row("GET", "/models", Inference, Free, NoneNeeded),
    row("GET", "/models/*", Inference, Free, Path),
    row("DELETE", "/models/*", Data, Free, Path),
    row("POST", "/moderations", Inference, Free, Body),
    row("POST", "/openai/deployments/{}/chat/completions", Compatible, Bounded(ChatCompletions), Path),
    row("POST", "/openai/deployments/{}/completions", Compatible, Bounded(Completions), Path),
    row("POST", "/openai/deployments/{}/embeddings", Compatible, Bounded(Embeddings), Path),
    row("*", "/openai/*", Compatible, Unbounded, Hidden),
    row("*", "/organization", Administration, Unbounded, Hidden),
    row("*", "/organization/*", Administration, Unbounded, Hidden),
    row("*", "/organizations", Administration, Unbounded, Hidden),
    row("*", "/organizations/*", Administration, Unbounded, Hidden),
    row("*", "/permissions", Administration, Unbounded, Hidden),
    row("*", "/permissions/*", Administration, Unbounded, Hidden),
    row("POST", "/pooling", Compatible, Unbounded, Body),
    row("*", "/projects", Administration, Unbounded, Hidden),
    row("*", "/projects/*", Administration, Unbounded, Hidden),
    row("GET", "/realtime", Inference, Unbounded, Query),
    row("GET", "/realtime/translations", Inference, Unbounded, Query),
    row("POST", "/realtime/calls", Inference, Unbounded, Hidden),
    row("POST", "/realtime/calls/{}/accept", Inference, Unbounded, Hidden),
    row("POST", "/realtime/calls/{}/hangup", Inference, Free, NoneNeeded),
    row("POST", "/realtime/calls/{}/refer", Inference, Free, NoneNeeded),
    row("POST", "/realtime/calls/{}/reject", Inference, Free, NoneNeeded),
    row("*", "/realtime/*", Ephemeral, Unbounded, Hidden),
    row("*", "/realtimeapi", Ephemeral, Unbounded, Hidden),
    row("*", "/realtimeapi/*", Ephemeral, Unbounded, Hidden),
    row("POST", "/rerank", Compatible, Unbounded, Body),
    row("GET", "/responses", Inference, Unbounded, Hidden),
    row("POST", "/responses", Inference, Bounded(Responses), Body),
    row("POST", "/responses/compact", Inference, Unbounded, Body),
    row("POST", "/responses/input_tokens", Inference, Free, Body),
    row("GET", "/responses/*", Data, Free, NoneNeeded),
    row("DELETE", "/responses/*", Data, Free, NoneNeeded),
    row("POST", "/responses/{}/cancel", Data, Free, NoneNeeded),
    row("*", "/responses/*", Data, Unbounded, Hidden),
    row("*", "/safety", Administration, Unbounded, Hidden),
    row("*", "/safety/*", Administration, Unbounded, Hidden),
    row("POST", "/score", Compatible, Unbounded, Body),
    row("GET", "/skills", Data, Free, NoneNeeded),
    row("POST", "/skills", Data, Free, NoneNeeded),
    row("*", "/skills", Data, Unbounded, Hidden),
    row("GET", "/skills/*", Data, Free, NoneNeeded),
    row("DELETE", "/skills/*", Data, Free, NoneNeeded),
    row("POST", "/skills/{}", Data, Free, NoneNeeded),
    row("POST", "/skills/{}/versions", Data, Free, NoneNeeded),
    row("*", "/skills/*", Data, Unbounded, Hidden),
    row("*", "/threads", Data, Unbounded, Hidden),
    row("*", "/threads/*", Data, Unbounded, Hidden),
    row("POST", "/tokenize", Compatible, Free, Body),
    row("*", "/uploads", Data, Unbounded, NoneNeeded),
    row("*", "/uploads/*", Data, Unbounded, NoneNeeded),
    row("*", "/usage", Administration, Unbounded, Hidden),
    row("*", "/vaults", Administration, Unbounded, Hidden),
    row("*", "/vaults/*", Administration, Unbounded, Hidden),
    row("*", "/vector_stores", Data, Unbounded, NoneNeeded),
    row("*", "/vector_stores/*", Data, Unbounded, NoneNeeded),
    row("*", "/videos", Data, Unbounded, Hidden),
    row("*", "/videos/*", Data, Unbounded, Hidden),
    row("*", "/webhook_endpoints", Administration, Unbounded, Hidden),
    row("*", "/webhook_endpoints/*", Administration, Unbounded, Hidden),
    row("*", "/webhook_event_types", Administration, Unbounded, Hidden),
];

/// Finds the row of a path below the API base.
pub(crate) fn find(method: &Method, path: &str) -> Option<&'static Route> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let letter = path.as_bytes().get(1).copied().map(usize::from)?;
    let (start, end) = RANGES.get(letter).copied()?;
    let mut rows = ROUTES.get(start..end)?.iter();
    rows.find(|route| route.allows(method) && route.matches(path))
}

/// The range of the rows that begin with each ASCII character, so that a lookup compares few patterns.
static RANGES: [(usize, usize); 128] = ranges();

#[expect(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "evaluated at compile time")]
const fn ranges() -> [(usize, usize); 128] {
    let mut ranges = [(0, 0); 128];
    let mut row = 0;
    while row < ROUTES.len() {
        let letter = ROUTES[row].pattern.as_bytes()[1] as usize;
        if ranges[letter].1 == 0 {
            ranges[letter].0 = row;
        }
        ranges[letter].1 = row + 1;
        row += 1;
    }
    ranges
}

/// The family of a closed route that an upstream may read in a path, however it is spelled: it may ignore escapes, case,
/// empty segments, `;parameters`, or the prefixes `/v1`, `/openai` and `/deployments/{}` of
/// [Azure](https://learn.microsoft.com/azure/ai-foundry/openai/reference). `decoded` is the path with all escapes decoded.
pub(crate) fn closed_reading(method: &Method, decoded: &[u8]) -> Option<Family> {
    let mut families = tolerant_readings(method, decoded).map(|route| route.family);
    families.find(|family| matches!(family, Ephemeral | Administration))
}

/// The rows that a tolerant upstream may find: it decodes escapes, ignores case and empty segments, and removes parameters or
/// not.
pub(crate) fn tolerant_readings(method: &Method, decoded: &[u8]) -> impl Iterator<Item = &'static Route> {
    let decoded = String::from_utf8_lossy(decoded).to_ascii_lowercase();
    let with_parameters = decoded.contains(';').then_some(true);
    let readings = [Some(false), with_parameters].into_iter().flatten();
    readings.filter_map(move |with_parameters| tolerant_reading(method, &decoded, with_parameters))
}

fn tolerant_reading(method: &Method, decoded: &str, with_parameters: bool) -> Option<&'static Route> {
    let name = |segment| if with_parameters { Some(segment) } else { str::split(segment, ';').next() };
    let segments = decoded.split('/').filter_map(name);
    let mut segments = segments.filter(|segment| !segment.is_empty()).peekable();
    while let Some(prefix) = segments.next_if(|segment| ["v1", "openai", "deployments"].contains(segment)) {
        if prefix == "deployments" {
            let _name = segments.next();
        }
    }
    let path = segments.fold(String::new(), |path, segment| path + "/" + segment);
    find(method, &path)
}

impl Route {
    fn allows(&self, method: &Method) -> bool {
        match self.method {
            "*" => true,
            "GET" if *method == Method::HEAD => true,
            allowed => method.as_str() == allowed || *method == Method::OPTIONS,
        }
    }

    fn matches(&self, path: &str) -> bool {
        self.pattern == path
            // Compared first, because most rows differ there.
            || self.literal.len() < self.pattern.len() && path.starts_with(self.literal) && matches(self.pattern, path)
    }

    /// Whether a request does not show which model it uses.
    pub(crate) fn hides_model(&self) -> bool {
        self.model == Hidden
    }

    /// Where a request names its model. `None` if it uses none, or hides it.
    pub(crate) fn model_source(&self) -> Option<sparekey_policy::ModelSource> {
        match self.model {
            Body => Some(sparekey_policy::ModelSource::Body),
            Multipart => Some(sparekey_policy::ModelSource::Multipart),
            Query => Some(sparekey_policy::ModelSource::Query),
            Path => Some(sparekey_policy::ModelSource::Path),
            NoneNeeded | Hidden => None,
        }
    }

    /// Whether the pattern matches one path only.
    pub(crate) fn is_literal(&self) -> bool {
        self.literal.len() == self.pattern.len()
    }
}

/// Whether a path is that of the Responses API, which is also opened as a WebSocket.
pub(crate) fn is_responses(path: &str) -> bool {
    path.strip_suffix('/').unwrap_or(path) == "/responses"
}

/// Whether a path matches a pattern: literal segments, `{}` for one segment, a last `*` for one or more.
fn matches(pattern: &str, path: &str) -> bool {
    let (mut pattern, mut path) = (pattern.split('/'), path.split('/'));
    loop {
        match (pattern.next(), path.next()) {
            (None, None) => return true,
            (Some("*"), Some(rest)) => return !rest.is_empty(),
            (Some("{}"), Some(segment)) if !segment.is_empty() => {}
            (Some(literal), Some(segment)) if literal == segment => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn family(route: &str) -> Option<Family> {
        let (method, path) = route.split_once(' ').unwrap();
        find(&method.parse().unwrap(), path).map(|route| route.family)
    }

    /// Routes that the SDKs and other clients call.
    const CLIENT_ROUTES: &str = include_str!("../../tests/routes/openai.txt");

    /// Model management of llama.cpp and LM Studio.
    const NOT_OPENAI: [&str; 7] = [
        "POST /models",
        "POST /models/unload",
        "DELETE /models",
        "GET /api/v1/models",
        "POST /api/v1/models/load",
        "POST /api/v1/models/unload",
        "POST /models/load",
    ];

    #[test]
    fn every_client_route_has_a_family() {
        let routes = CLIENT_ROUTES.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let missing: Vec<_> = routes.filter(|route| family(&route.replace("{}", "x")).is_none()).collect();
        let unexpected: Vec<_> = missing.iter().filter(|route| !NOT_OPENAI.contains(route)).collect();
        assert!(unexpected.is_empty() && CLIENT_ROUTES.lines().count() > 400, "{unexpected:#?}");
    }

    #[test]
    fn table_is_sorted() {
        assert!(ROUTES.is_sorted_by_key(|route| route.pattern.split('/').nth(1)));
    }

    #[test]
    fn families() {
        for (route, expected) in [
            ("POST /chat/completions", Some(Inference)),
            ("POST /chat/completions/", Some(Inference)),
            ("POST /chat/completions//", None),
            ("GET /chat/completions", Some(Data)),
            ("GET /responses", Some(Inference)),
            ("DELETE /responses/resp_1", Some(Data)),
            ("HEAD /models", Some(Inference)),
            ("OPTIONS /models", Some(Inference)),
            ("POST /models", None),
            ("GET /models/", Some(Inference)),
            ("GET /models/org%2Fmodel", Some(Inference)),
            ("GET /models/org/model", Some(Inference)),
            ("DELETE /models/ft:a", Some(Data)),
            ("GET /%6dodels", None),
            ("GET /Models", None),
            ("GET /files/f/content", Some(Data)),
            ("GET /realtime", Some(Inference)),
            ("POST /realtime/calls/rtc_1/accept", Some(Inference)),
            ("POST /realtime/client_secrets", Some(Ephemeral)),
            ("POST /realtime/translations/client_secrets", Some(Ephemeral)),
            ("POST /fine_tuning/jobs", Some(Data)),
            ("POST /fine_tuning/checkpoints/ft:m/permissions", Some(Administration)),
            ("DELETE /fine_tuning/checkpoints/ft:m/permissions/p", Some(Administration)),
            ("GET /me", Some(Administration)),
            ("POST /deployments/d/chat/completions", Some(Compatible)),
            ("POST /openai/deployments/d/embeddings", Some(Compatible)),
            ("POST /openai/v1/responses", Some(Compatible)),
            ("GET /", None),
            ("GET ", None),
            ("GET /nowhere", None),
        ] {
            assert_eq!(family(route), expected, "{route}");
        }
    }

    #[test]
    fn free_routes_are_listed() {
        let find = |route: &str| {
            let (method, path) = route.split_once(' ').unwrap();
            find(&method.parse().unwrap(), &path.replace("{}", "x")).unwrap()
        };
        let objects =
            ["/assistants", "/chat/completions", "/chatkit/threads", "/conversations", "/responses", "/skills"];
        let is_object = |route: &&str| {
            let path = route.split_once(' ').map_or("", |(_, path)| path);
            objects
                .iter()
                .any(|object| path.strip_prefix(object).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
        };
        let paid = ["POST /chat/completions", "GET /responses", "POST /responses", "POST /responses/compact"];
        let known: Vec<_> = CLIENT_ROUTES.lines().filter(is_object).collect();
        assert!(known.len() > 30, "{known:#?}");
        for route in known {
            assert_eq!(find(route).cost == Free, !paid.contains(&route), "{route}");
        }
        for path in objects {
            for route in ["POST {}/x/new", "POST {}/x/items/y", "PUT {}/x", "PATCH {}/x"] {
                let found = find(&route.replace("{}", path));
                assert_eq!((found.cost, found.family, found.model), (Unbounded, Data, Hidden), "{route} {path}");
            }
        }
        assert_eq!(find("POST /responses/resp_1").cost, Unbounded);
        assert_eq!(find("DELETE /conversations").cost, Unbounded);
        assert_eq!(find("OPTIONS /responses/resp_1").cost, Free);
    }

    #[test]
    fn closed_routes_in_every_spelling() {
        for (path, expected) in [
            ("/organization", Some(Administration)),
            ("/v1/Organization/x", Some(Administration)),
            ("//projects;a=b", Some(Administration)),
            ("/V1//me", Some(Administration)),
            ("/usage/", Some(Administration)),
            ("/openai/organization/users", Some(Administration)),
            ("/fine_tuning/checkpoints/x//Permissions;a", Some(Administration)),
            ("/openai/v1/deployments/d/fine_tuning/checkpoints/x/permissions/y", Some(Administration)),
            ("/openai/v1/Realtime/client_secrets", Some(Ephemeral)),
            ("/openai/realtime/sessions", Some(Ephemeral)),
            ("/openai/RealtimeAPI;a/sessions", Some(Ephemeral)),
            ("/openai/v1/deployments/d/realtimeapi/sessions", Some(Ephemeral)),
            ("/deployments/d/chatkit/sessions", Some(Ephemeral)),
            ("/organizations2", None),
            ("/models/organization", None),
            ("/fine_tuning/jobs", None),
            ("/deployments/me", None),
            ("/deployments/me/chat/completions", None),
            ("", None),
        ] {
            assert_eq!(closed_reading(&Method::POST, path.as_bytes()), expected, "{path}");
        }
    }
}
