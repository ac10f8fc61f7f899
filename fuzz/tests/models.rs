//! Compares the readers of models with tolerant ones, on bodies and URLs of dangerous pieces.

use proptest::{collection::vec, prelude::*, sample::select};

fn run(target: &str, input: &[u8]) {
    let (_, run) = fuzz::TARGETS.iter().find(|(name, _)| *name == target).expect("a target");
    run(input);
}

/// A key of a body: a field that is read, in any spelling, or another.
fn key() -> impl Strategy<Value = String> {
    let field = select(vec![
        "model",
        "models",
        "fallbacks",
        "context_window_fallbacks",
        "tools",
        "input",
        "svg",
        "session",
        "x",
        "",
        "type",
    ]);
    let spelled = (field.clone(), 0..6).prop_map(|(field, spelling)| match spelling {
        0 => field.to_ascii_uppercase(),
        1 => field.replacen('o', "\\u006f", 1),
        2 => field.replace('s', "ſ"),
        3 => field.replace('k', "\u{212a}"),
        4 => format!("{field}\\u0000"),
        _ => format!("{field} "),
    });
    prop_oneof![12 => field.prop_map(str::to_owned), 1 => spelled]
}

/// A body with the fields that are read at all depths, mostly with values of their type.
fn body() -> impl Strategy<Value = String> {
    let text = select(vec![
        "gpt-5",
        "a\\/b",
        "",
        "\\u0061",
        "é",
        "\\ud83d\\ude00",
        "\\ud800",
        "\\udc00",
        "\u{7f}",
        "x\\n",
        "model",
        "\\\"",
        "\u{1}",
    ]);
    let leaf = prop_oneof![
        6 => text.prop_map(|text| format!("\"{text}\"")),
        1 => select(vec!["null", "true", "1", "-0.5e3", "1e999", "01", "NaN", ""]).prop_map(str::to_owned),
    ];
    let value = leaf.prop_recursive(4, 32, 4, |value| {
        let member = (key(), value.clone()).prop_map(|(key, value)| format!("\"{key}\":{value}"));
        prop_oneof![
            vec(value, 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            vec(member, 0..5).prop_map(|members| format!("{{{}}}", members.join(" , "))),
        ]
    });
    let typed = prop_oneof![
        5 => (key(), value).prop_map(|(key, value)| format!("\"{key}\":{value}")),
        2 => Just("\"model\":\"gpt-5\"".to_owned()),
        1 => Just("\"tools\":[{\"model\":\"a\"},{\"tools\":[{\"model\":\"b\"}]}]".to_owned()),
        1 => Just("\"fallbacks\":[\"a\",{\"model\":\"b\"},{\"model\":\"b\",\"x\":[\"c\",{\"model\":\"d\"},1]}]".to_owned()),
        1 => Just("\"input\":[\"a\",{\"tools\":[{\"model\":\"a\"}]}]".to_owned()),
        1 => Just("\"model\":null".to_owned()),
        1 => Just("\"svg\":{\"model\":\"a\"}".to_owned()),
    ];
    let end = prop_oneof![20 => Just(""), 1 => select(vec!["}", "x", "\0", " \n", "{}", "//"])];
    (vec(typed, 0..4), end).prop_map(|(members, end)| format!("{{{}}}{end}", members.join(",")))
}

/// A part with one disposition, mostly well-formed.
fn part() -> impl Strategy<Value = String> {
    let parameter = select(vec![
        "name=model",
        "name=\"model\"",
        "name=\"svg[model]\"",
        "name=x",
        "name=\"Model\"",
        "name=\"model[]\"",
        "name=\"svg.model\"",
        "name=\"m\\odel\"",
        "NAME=model",
        "name*=utf-8''model",
        "name*0=model",
        "filename=a.mp3",
        "filename*=utf-8''a.mp3",
        "filename=\"a\\\"; name=\"model\"",
        "filename=\"a; name=model\"",
        "filename=\"a\"b\"",
    ]);
    let header = prop_oneof![
        12 => Just(""),
        1 => select(vec![
            "content-type: text/plain\r\n",
            "content-type: audio/mpeg\r\n",
            "content-transfer-encoding: base64\r\n",
            "content-disposition: form-data; name=model\r\n",
            " folded:; name=model\r\n",
            "x: y\ncontent-disposition: form-data; name=model\r\n",
        ]),
    ];
    let hidden = "\n--Xx\ncontent-disposition: form-data; name=model\n\ngpt-5";
    let content = prop_oneof![6 => Just("gpt-5"), 1 => select(vec!["", "gpt-5\n", "\n\n", "\r\n--Xy", "gpt-5\n--Xx\r\ncontent-disposition: form-data; name=x\r\n\r\ny", hidden])];
    (header.clone(), vec(parameter, 1..4), header, content).prop_map(|(before, parameters, after, content)| {
        let parameters = parameters.join("; ");
        format!("--Xx\r\n{before}content-disposition: form-data; {parameters}\r\n{after}\r\n{content}\r\n")
    })
}

/// Parts, and what does not belong between them.
fn form() -> impl Strategy<Value = String> {
    let junk = select(vec!["--Xx\r\n", "--Xx--\r\n", "\r\n", "\n", "\r", " ", "--xx--", "\n--Xx\n", "\0", "--Xx"]);
    let piece = prop_oneof![8 => part(), 1 => junk.prop_map(str::to_owned)];
    vec(piece, 0..4).prop_map(|pieces| format!("{}--Xx--\r\n", pieces.concat()))
}

fn url() -> impl Strategy<Value = String> {
    let name = select(vec!["gpt-5", "org%2fmodel", "a%252d5", "a%2", "a%3Fb", "a%00", "command-r+", "", "/a", "."]);
    let start = select(vec!["/models/", "/deployments/", "/openai/deployments/", "/openai/models/", "/"]);
    let rest = select(vec!["", "/", "//", "/embeddings", "%2f"]);
    let spelled = select(vec![
        "model",
        "models",
        "Model",
        "%6Dodel",
        "mode%6c",
        "model[]",
        "model%5b",
        "+model",
        "model%20",
        "model%a0",
        "x%26model",
        "x%",
    ]);
    let key = prop_oneof![1 => Just("x"), 1 => Just("model"), 1 => spelled];
    let equals = prop_oneof![4 => Just("="), 1 => Just("")];
    let end = prop_oneof![4 => Just("&"), 2 => Just(";"), 1 => Just("%26")];
    let pair =
        (key, equals, name.clone(), end).prop_map(|(key, equals, name, end)| format!("{key}{equals}{name}{end}"));
    (start, name, rest, vec(pair, 0..4))
        .prop_map(|(start, name, rest, pairs)| format!("{start}{name}{rest}?{}x=y", pairs.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn json_agrees_with_serde_json(body in body()) {
        run("models_in_json", body.as_bytes());
    }

    #[test]
    fn forms_agree_with_tolerant_readers(form in form()) {
        run("models_in_form", form.as_bytes());
    }

    #[test]
    fn urls_agree_with_a_tolerant_reader(url in url()) {
        run("models_in_url", url.as_bytes());
    }
}
