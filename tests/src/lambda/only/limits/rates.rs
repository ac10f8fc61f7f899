//! Rates and open requests, which all environments of a function count together.

use super::*;

pub(crate) const TESTS: &[Test] = &[
    ("functions_share_the_requests_per_minute", requests),
    ("functions_share_the_open_requests", open),
    ("functions_share_the_tokens_per_minute", tokens),
    ("rate_of_a_metered_user", metered),
];

fn requests() {
    let upstream = RespondingUpstream::start(|_| super::super::OK.into());
    let table = Moto::shared().create_table();
    let users = "[users.Tom]\nrequests_per_minute = 6";
    let functions = [(); 2].map(|()| Limited::start(upstream.address(), users, &table));
    for count in 0..6 {
        let (head, _) = functions[count % 2].send(&get("/v1/models"));
        let left = (5 - count).to_string();
        assert_eq!((head.status(), head.header("x-ratelimit-remaining-requests")), (200, Some(&*left)));
    }
    for function in &functions {
        let mut client = function.client(&get("/v1/models"));
        let head = client.head();
        assert_eq!(head.status(), 429);
        assert!(head.header("retry-after").is_some());
    }
    assert_eq!(upstream.take().len(), 6);
    assert_eq!(functions[0].usage()["limits"]["requests_per_minute"]["limit"], 6);
    assert!(table.rows().is_empty());
}

fn open() {
    let upstream = Upstream::start();
    let table = Moto::shared().create_table();
    let users = "[users.Tom]\nconcurrent_requests = 1";
    let functions = [(); 2].map(|()| Limited::start(upstream.address(), users, &table));
    for function in &functions {
        let mut first = functions[0].client(&get("/v1/models"));
        let mut serving = upstream.accept();
        serving.head();
        let mut second = functions[1].client(&get("/v1/models"));
        super::super::assert_error(&mut second, 429, "rate_limit_exceeded");
        serving.send(super::super::OK);
        assert_eq!(read_response(&mut first).0.status(), 200);
        assert!(function.usage()["limits"]["concurrent_requests"]["open"] == 0);
        serving.close();
    }
}

fn tokens() {
    let upstream = RespondingUpstream::start(|_| completion(400, 100));
    let table = Moto::shared().create_table();
    let users = "[users.Tom]\ntokens_per_minute = 600";
    let functions = [(); 2].map(|()| Limited::start(upstream.address(), users, &table));
    assert_eq!(functions[0].send(&chat(false)).0.status(), 200);
    // 500 are used; the estimate of another request does not fit.
    let mut client = functions[1].client(&chat(false));
    super::super::assert_error(&mut client, 429, "rate_limit_exceeded");
    assert_eq!(table.rows().len(), 1);
}

fn metered() {
    let upstream = RespondingUpstream::start(|_| completion(12, 30));
    let table = Moto::shared().create_table();
    let users = "[users.Tom]\nmetered = true\nrequests_per_minute = 2";
    let function = Limited::start(upstream.address(), users, &table);
    for left in ["1", "0"] {
        let (head, _) = function.send(&chat(false));
        assert_eq!((head.status(), head.header("x-ratelimit-remaining-requests")), (200, Some(left)));
    }
    super::super::assert_error(&mut function.client(&chat(false)), 429, "rate_limit_exceeded");
    assert_eq!(table.rows().len(), 2);
}
