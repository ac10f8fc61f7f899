//! What a front's event, or the answer that it takes, can't say: the cases that are not carried, and why.

use libtest_mimic::Trial;

use crate::case_files;

/// Cases that some fronts can't carry.
struct Row {
    fronts: &'static [&'static str],
    why: &'static str,
    /// A file, and how the names of its cases begin.
    file: &'static str,
    cases: &'static [&'static str],
}

const EVERY: &[&str] = &["lambda-url", "lambda-rest", "lambda-http", "lambda-alb"];
const JOINED: &[&str] = &["lambda-url", "lambda-http"];
const STREAMED: &[&str] = &["lambda-url", "lambda-rest"];
const PAIRED: &[&str] = &["lambda-rest", "lambda-alb"];

const BYTES: &str = "a JSON text holds characters, and these bytes are none in UTF-8";
const COMMAS: &str = "the event has one text a header: repeated ones are joined";
const PAIRS: &str = "the event has the query as names and values, without what separates them and in no order";
const DECODED_QUERY: &str = "the event has the query decoded";
const DECODED_PATH: &str = "the event has the path decoded";

const TABLE: &[Row] = &[
    Row {
        fronts: EVERY,
        why: BYTES,
        file: "forwarded_headers",
        cases: &["passes unchanged: x-obs-text", "passes unchanged: x-high"],
    },
    Row { fronts: EVERY, why: BYTES, file: "returned_headers", cases: &["passes unchanged: x-obs-text"] },
    Row {
        fronts: EVERY,
        why: "an event does not tell an empty query from none",
        file: "paths",
        cases: &["passes: /v1/models?,", "passes: /models?,", "passes: /v1?,", "passes: https://evil.example:8443/"],
    },
    Row {
        fronts: &["lambda-url", "lambda-rest", "lambda-alb"],
        why: "no event tells of CONNECT",
        file: "rejections",
        cases: &["CONNECT, with"],
    },
    Row {
        fronts: EVERY,
        why: "a path that is not ASCII is escaped, as it may have been",
        file: "paths",
        cases: &["passes in UTF-8"],
    },
    Row { fronts: JOINED, why: COMMAS, file: "credentials", cases: &["two Authorization headers, one of them empty"] },
    Row { fronts: JOINED, why: COMMAS, file: "forwarded_headers", cases: &["duplicate accept", "duplicates pass"] },
    Row { fronts: JOINED, why: COMMAS, file: "returned_headers", cases: &["duplicates pass"] },
    Row {
        fronts: STREAMED,
        why: "an answer that streams says no length",
        file: "returned_headers",
        cases: &["a body passes in its bytes, type and length"],
    },
    Row {
        fronts: PAIRED,
        why: PAIRS,
        file: "paths",
        cases: &[
            "passes: /v1/models?&&=&",
            "passes: /v1/models?limit=2&after=x&order=asc",
            "passes: /v1/models?organization=1&/organization/",
        ],
    },
    Row { fronts: PAIRED, why: PAIRS, file: "older_worker", cases: &["drops the query"] },
    Row {
        fronts: &["lambda-rest"],
        why: DECODED_QUERY,
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
        fronts: &["lambda-http"],
        why: DECODED_PATH,
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
        fronts: &["lambda-http"],
        why: DECODED_PATH,
        file: "front_page",
        cases: &["nothing else is answered here: /%68ealthz"],
    },
    Row {
        fronts: &["lambda-http"],
        why: "the stage stands before it",
        file: "paths",
        cases: &["asterisk-form is no path"],
    },
];

/// Why this front can't carry this case, where that is so.
pub(super) fn of(front: &str, file: &str, name: &str) -> Option<&'static str> {
    let holds = |row: &&Row| {
        row.fronts.contains(&front) && row.file == file && row.cases.iter().any(|case| name.starts_with(case))
    };
    TABLE.iter().find(holds).map(|row| row.why)
}

/// Each line of the table stands for a case that there is; those are run, and must fail.
pub(super) fn trial() -> Trial {
    Trial::test("lambda::excuses::each_line_stands_for_a_case", || {
        let cases = case_files::load();
        for row in TABLE {
            for begin in row.cases {
                assert!(cases.iter().any(|case| case.file == row.file && case.name.starts_with(begin)), "{begin}");
            }
        }
        Ok(())
    })
}
