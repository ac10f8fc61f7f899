//! Compares the gate with the second implementation of the path rule, on paths of dangerous pieces.

use proptest::{collection::vec, prelude::*, sample::select};

fn targets() -> impl Strategy<Value = String> {
    let piece = select(vec![
        "/",
        "//",
        "/v1",
        "/V1",
        "v1",
        ".",
        "..",
        "/../",
        "%",
        "2",
        "5",
        "25",
        "2e",
        "%2e",
        "%2E",
        "%252e",
        "%2%65",
        "%5%63",
        "%2f",
        "%5c",
        "\\",
        ";",
        "%3b",
        "%00",
        "%7f",
        "%c3",
        "é",
        "organization",
        "Projects",
        "%6frganization",
        "s",
        "models",
        "?",
        "~",
    ]);
    let any = prop_oneof![6 => piece.prop_map(str::to_owned), 1 => "[!-~]"];
    vec(any, 0..9).prop_map(|pieces| format!("/{}", pieces.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn gate_agrees_with_path_rule(target in targets()) {
        let (_, path) = fuzz::TARGETS.iter().find(|(name, _)| *name == "path").expect("a target");
        path(target.as_bytes());
    }
}
