//! An upstream that says that the owner's account has no quota left: users with a budget get the same code for that.

use std::io::{Read as _, Write as _};

use flate2::{Compression, read::GzDecoder, write::GzEncoder};

use super::{Test, forwarded, request, test};
use crate::adapter::Adapter;

pub(super) const TESTS: &[Test] = &[
    test("response_is_marked", &[], marked),
    test("compressed_response_is_marked", &[], compressed),
    test("other_limits_of_the_upstream_are_not_marked", &[], other),
    test("long_response_passes_whole", &[], long),
];

const SPENT: &str = r#"{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#;

/// The mark of a response with status 429, and its body.
fn response(adapter: &dyn Adapter, encoding: &str, body: &[u8]) -> (Option<String>, Vec<u8>) {
    let chat = request("POST", "/v1/chat/completions", "accept-encoding: gzip\r\ncontent-length: 2\r\n") + "{}";
    let (_proxy, mut client, mut upstream_conn, _) = forwarded(adapter, &chat);
    upstream_conn.send(format!(
        "HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/json\r\n{encoding}content-length: {}\r\n\r\n",
        body.len()
    ));
    upstream_conn.send(body);
    let head = client.head();
    assert_eq!(head.status(), 429);
    (head.header("x-sparekey-upstream").map(str::to_owned), client.body(&head))
}

fn marked(adapter: &dyn Adapter) {
    let (mark, body) = response(adapter, "", SPENT.as_bytes());
    assert_eq!(mark.as_deref(), Some("insufficient_quota"));
    assert_eq!(body, SPENT.as_bytes());
}

fn compressed(adapter: &dyn Adapter) {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(SPENT.as_bytes()).expect("write into memory");
    let (mark, body) = response(adapter, "content-encoding: gzip\r\n", &gzip.finish().expect("write into memory"));
    assert_eq!(mark.as_deref(), Some("insufficient_quota"));
    let mut text = String::new();
    GzDecoder::new(&*body).read_to_string(&mut text).expect("a gzip body");
    assert_eq!(text, SPENT);
}

fn other(adapter: &dyn Adapter) {
    let busy = SPENT.replace(r#""insufficient_quota""#, r#""tokens""#).replace("quota", "insufficient_quota");
    for body in [busy.as_bytes(), b""] {
        assert_eq!(response(adapter, "", body), (None, body.to_vec()));
    }
}

fn long(adapter: &dyn Adapter) {
    let body = SPENT.replace("You", &"x".repeat(100_000)).into_bytes();
    assert_eq!(response(adapter, "", &body).1, body);
}
