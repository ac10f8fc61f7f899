//! Request targets.

use http::{Request, Uri, uri::PathAndQuery};
use sparekey_core::Admission;
use sparekey_policy::Timestamp;

use crate::{
    fixtures::{API_KEY, GATES, TOM},
    path_rule::relative_path,
};

const FEW_KEYS: usize = 16;

/// Checks that the gate applies the path rule as [`relative_path`] does.
pub(crate) fn path(input: &[u8]) {
    let Ok(target) = PathAndQuery::try_from(input) else { return };
    let uri = Uri::from(target);
    // The gate hashes a few texts that may be keys, from each prefix to each dash, and refuses a target with more.
    let count = |part: &[u8]| input.windows(part.len()).filter(|window| *window == part).count();
    if count(b"sk-") * count(b"-") > FEW_KEYS {
        return;
    }
    let expected = relative_path(uri.path(), uri.query(), API_KEY, TOM);
    let request = Request::post(uri).header("host", "proxy").header("api-key", TOM).body(()).expect("a valid request");
    let (gate, settings) = &GATES[0];
    let actual = match gate.admit(request.into_parts().0.into(), |_| None, Timestamp::default) {
        Ok(Admission::Forward(forward)) => Ok(forward.into_parts().0.uri.to_string()),
        Ok(admission) => panic!("no route of the proxy takes a POST, and no user has limits: {admission:?}"),
        Err(rejection) => Err(rejection.to_response().status().as_u16()),
    };
    assert_eq!(actual, expected.map(|path| format!("{}{path}", settings.api_base)), "{}", input.escape_ascii());
}
