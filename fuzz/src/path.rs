//! Request targets.

use http::{Request, Uri, uri::PathAndQuery};
use sparekey_core::Admission;

use crate::{
    fixtures::{GATES, TOM},
    path_rule::relative_path,
};

/// Checks that the gate applies the path rule as [`relative_path`] does.
pub(crate) fn path(input: &[u8]) {
    let Ok(target) = PathAndQuery::try_from(input) else { return };
    let uri = Uri::from(target);
    let expected = relative_path(uri.path(), uri.query());
    let request = Request::post(uri).header("host", "proxy").header("api-key", TOM).body(()).expect("a valid request");
    let (gate, settings) = &GATES[0];
    let actual = match gate.admit(request.into_parts().0.into()) {
        Ok(Admission::Forward(forward)) => Ok(forward.into_parts().0.uri.to_string()),
        Ok(Admission::Reply(reply)) => panic!("no route of the proxy takes a POST: {reply:?}"),
        Err(rejection) => Err(rejection.to_response().status().as_u16()),
    };
    assert_eq!(actual, expected.map(|path| format!("{}{path}", settings.api_base)), "{}", input.escape_ascii());
}
