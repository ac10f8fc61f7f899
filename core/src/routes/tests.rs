//! Families and costs of paths.

use super::{
    route::{
        Family::{Compatible, Data, Inference},
        RouteCost::{Free, Unbounded},
        RouteModel::Hidden,
    },
    *,
};

#[track_caller]
fn family(route: &str) -> Option<Family> {
    let (method, path) = route.split_once(' ').unwrap();
    find(&method.parse().unwrap(), path).map(|route| route.family)
}

/// Routes that the SDKs and other clients call.
const CLIENT_ROUTES: &str = include_str!("../../../tests/routes/openai.txt");

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
    let objects = ["/assistants", "/chat/completions", "/chatkit/threads", "/conversations", "/responses", "/skills"];
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
