//! Cases that an event source changes, so that they cannot pass, and the reasons.

use libtest_mimic::Trial;

use crate::case_files;

/// Cases that some event sources change.
struct Row {
    functions: &'static [&'static str],
    reason: &'static str,
    /// A file, and prefixes of the names of its cases.
    file: &'static str,
    cases: &'static [&'static str],
}

const ALL: &[&str] = &["lambda-url", "lambda-rest", "lambda-http", "lambda-alb"];
const JOINED: &[&str] = &["lambda-url", "lambda-http"];
const STREAMING: &[&str] = &["lambda-url", "lambda-rest"];
const QUERY_IN_PAIRS: &[&str] = &["lambda-rest", "lambda-alb"];

const BYTES: &str = "events and responses are JSON, which cannot contain bytes that are not UTF-8";
const COMMAS: &str = "the event has one text per header: repeated ones are joined";
const PAIRS: &str = "the event has the query as pairs, without separators and order";
const DECODED_QUERY: &str = "the event has the query decoded";
const DECODED_PATH: &str = "the event has the path decoded";

const TABLE: &[Row] = &[
    Row {
        functions: ALL,
        reason: BYTES,
        file: "forwarded_headers",
        cases: &["passes unchanged: x-obs-text", "passes unchanged: x-high"],
    },
    Row { functions: ALL, reason: BYTES, file: "returned_headers", cases: &["passes unchanged: x-obs-text"] },
    Row {
        functions: ALL,
        reason: "an event has one form for an empty query and for none",
        file: "paths",
        cases: &["passes: /v1/models?,", "passes: /models?,", "passes: /v1?,", "passes: https://evil.example:8443/"],
    },
    Row {
        functions: &["lambda-url", "lambda-rest", "lambda-alb"],
        reason: "no event source forwards CONNECT",
        file: "rejections",
        cases: &["CONNECT, with"],
    },
    Row {
        functions: ALL,
        reason: "a path that is not ASCII is escaped, because the event may have it decoded",
        file: "paths",
        cases: &["a character that is not ASCII"],
    },
    Row {
        functions: &["lambda-http"],
        reason: DECODED_PATH,
        file: "routes",
        cases: &["unknown by default: GET /v1/%6dodels"],
    },
    Row {
        functions: &["lambda-http"],
        reason: DECODED_PATH,
        file: "users",
        cases: &["a path that a tolerant upstream reads as a route with a model: POST /v1/responses/%63ompact"],
    },
    Row {
        functions: JOINED,
        reason: COMMAS,
        file: "credentials",
        cases: &["two Authorization headers, one of them without a key"],
    },
    Row {
        functions: JOINED,
        reason: COMMAS,
        file: "forwarded_headers",
        cases: &["duplicate accept", "duplicates pass"],
    },
    Row { functions: JOINED, reason: COMMAS, file: "returned_headers", cases: &["duplicates pass"] },
    Row {
        functions: STREAMING,
        reason: "a streamed response has no content-length",
        file: "returned_headers",
        cases: &["a body passes in its bytes, type and length"],
    },
    Row {
        functions: QUERY_IN_PAIRS,
        reason: PAIRS,
        file: "paths",
        cases: &[
            "passes: /v1/models?&&=&",
            "passes: /v1/models?limit=2&after=x&order=asc",
            "passes: /v1/models?organization=1&/organization/",
        ],
    },
    Row { functions: QUERY_IN_PAIRS, reason: PAIRS, file: "older_worker", cases: &["drops the query"] },
    Row {
        functions: &["lambda-rest"],
        reason: DECODED_QUERY,
        file: "paths",
        cases: &[
            "passes: /v1/models??",
            "passes: /v1/models?/../..",
            "passes: /v1/models?a=%00%0a%7f%",
            "passes: /v1/models?a=%2F%7e%41&b=+%20",
            "passes: /v1/models?a=%2e%2e",
            "passes: /v1/models?a=/../../x",
            r"passes: /v1/models?a=\..\b",
            "passes: /v1/models?a={b}|c^d`e",
            "passes: /v1/models?a?b?c",
            "passes: /v1/models?url=http://evil.example/",
            "passes: /v1/responses?include[]=a&include[]=b",
            "quotes pass in the query",
        ],
    },
    Row {
        functions: &["lambda-http"],
        reason: DECODED_PATH,
        file: "paths",
        cases: &[
            "passes: /v1/files/%25",
            "passes: /v1/files/%2B",
            "passes: /v1/files/%3Fx%3Dy",
            "passes: /v1/files/%41",
            "passes: /v1/files/%7Ea",
            "passes: /v1/files/%E9",
            "passes: /v1/files/%FF%FE",
            "passes: /v1/files/%c0%ae%c0%ae",
            "passes: /v1/files/%c3%a9",
            "passes: /v1/files/a%2E%2Eb",
            "passes: /v1/files/a%2Fb",
            "passes: /v1/files/a%2fb",
        ],
    },
    Row {
        functions: &["lambda-http"],
        reason: DECODED_PATH,
        file: "front_page",
        cases: &["nothing else is answered here: /%68ealthz"],
    },
    Row {
        functions: &["lambda-http"],
        reason: "the event has the stage before the asterisk",
        file: "paths",
        cases: &["asterisk-form is no path"],
    },
];

/// Why this case cannot pass behind this function, if so.
pub(super) fn reason(function: &str, file: &str, name: &str) -> Option<&'static str> {
    let applies = |row: &&Row| {
        row.functions.contains(&function) && row.file == file && row.cases.iter().any(|case| name.starts_with(case))
    };
    TABLE.iter().find(applies).map(|row| row.reason)
}

/// Each prefix matches a case. The suite runs those cases and expects them to fail.
pub(super) fn trial() -> Trial {
    Trial::test("lambda::unsupported::each_prefix_matches_a_case", || {
        let cases = case_files::load();
        for row in TABLE {
            for prefix in row.cases {
                assert!(cases.iter().any(|case| case.file == row.file && case.name.starts_with(prefix)), "{prefix}");
            }
        }
        Ok(())
    })
}
