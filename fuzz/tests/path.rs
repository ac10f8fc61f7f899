//! Paths put together of what is dangerous in one: the gate must judge each as the plain rule does.

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
    fn the_gate_judges_paths_as_the_plain_rule_does(target in targets()) {
        let (_, path) = fuzz::TARGETS.iter().find(|(name, _)| *name == "path").expect("it is a target");
        path(target.as_bytes());
    }
}
