//! The time to read bodies of the usual shapes: `cargo bench --package bench-pure --bench read_facts`.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "the bodies are valid")]

use divan::{
    Bencher,
    counter::{BytesCount, ItemsCount},
};
use sparekey_metering::{BodyForm, Target, read_facts, read_metered};
use sparekey_policy::{Endpoint, ModelSource};

fn main() {
    divan::main();
}

fn bench(bencher: Bencher, content_type: &str, body: &str) {
    let form = BodyForm::from_headers([content_type.as_bytes()], []).unwrap();
    let target = Target { source: ModelSource::Multipart, path: "/x", query: None };
    bencher
        .counter(BytesCount::of_str(body))
        .bench(|| read_facts(divan::black_box(target), &form, divan::black_box(body.as_bytes())).unwrap());
}

/// A chat whose messages take about this many bytes.
fn chat(bytes: usize) -> String {
    let message = r#"{"role":"user","content":"Please explain \"split\" and\nwhy it's lazy.\n\n    let parts = text.split(',');"}"#;
    let messages = vec![message; bytes / message.len()].join(",");
    let tool = r#"{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"a":{"type":"number"}}}}}"#;
    format!(
        r#"{{"model":"gpt-5-mini","stream":true,"messages":[{messages}],"tools":[{tool}],"max_completion_tokens":4096}}"#
    )
}

#[divan::bench(args = [1 << 10, 100 << 10, 10 << 20])]
fn chat_json(bencher: Bencher, bytes: usize) {
    bench(bencher, "application/json", &chat(bytes));
}

/// For comparison: `serde_json` with a typed body, which finds neither escaped nor misspelled keys.
#[divan::bench(args = [1 << 10, 100 << 10, 10 << 20])]
fn chat_with_serde_json(bencher: Bencher, bytes: usize) {
    #[derive(serde::Deserialize)]
    struct Body<'a> {
        model: &'a str,
    }
    let body = chat(bytes);
    bencher
        .counter(BytesCount::of_str(&body))
        .bench(|| serde_json::from_slice::<Body<'_>>(divan::black_box(body.as_bytes())).unwrap().model.len());
}

#[divan::bench]
fn image_in_json(bencher: Bencher) {
    let image = "iVBORw0KGgoAAAANSUhEUgAA".repeat((20 << 20) / 24);
    let body = format!(r#"{{"model":"gpt-5","input":[{{"role":"user","content":[{{"image_url":"{image}"}}]}}]}}"#);
    bench(bencher, "application/json", &body);
}

#[divan::bench]
fn cyrillic_in_json(bencher: Bencher) {
    let text = "Съешь ещё этих мягких французских булок. ".repeat(1 << 18);
    bench(bencher, "application/json", &format!(r#"{{"model":"gpt-5","input":"{text}"}}"#));
}

#[divan::bench]
fn token_ids_in_json(bencher: Bencher) {
    let ids = "1234,56,78901,".repeat(1 << 20);
    bench(bencher, "application/json", &format!(r#"{{"model":"text-embedding-3-small","input":[{ids}0]}}"#));
}

#[divan::bench]
fn brackets_in_json(bencher: Bencher) {
    let brackets = "[{}],".repeat(1 << 21);
    bench(bencher, "application/json", &format!(r#"{{"model":"gpt-5","x":[{brackets}0]}}"#));
}

/// Small members of a metered body, as many as it may have. Their keys have the length of several fields.
#[divan::bench(args = ["a", "stored", "frequency_penalty"])]
fn members_in_metered_json(bencher: Bencher, key: &str) {
    const MEMBERS: usize = 99_000;
    let members = format!("\"{key}\":1,").repeat(MEMBERS);
    let body = format!("{{{members}\"model\":\"gpt-5\"}}");
    let target = Target { source: ModelSource::Body, path: "/x", query: None };
    bencher.counter(ItemsCount::new(MEMBERS)).bench(|| {
        let body = divan::black_box(body.as_bytes());
        read_metered(Endpoint::Responses, target, [&b"application/json"[..]], [], body).unwrap()
    });
}

/// A file in which each byte may begin a delimiter.
#[divan::bench(args = ["audio", "dashes"])]
fn file_in_form(bencher: Bencher, kind: &str) {
    let boundary =
        if kind == "audio" { "----formdata-undici-012345678901" } else { "-----------------------------------x" };
    let file =
        if kind == "audio" { "\u{1}ab\r\n7\u{0}-z5xw\u{7f}".repeat((20 << 20) / 13) } else { "-".repeat(20 << 20) };
    let file = format!("content-disposition: form-data; name=file; filename=a.mp3\r\n\r\n{file}");
    let model = "content-disposition: form-data; name=model\r\n\r\nwhisper-1";
    let body = format!("--{boundary}\r\n{file}\r\n--{boundary}\r\n{model}\r\n--{boundary}--\r\n");
    bench(bencher, &format!("multipart/form-data; boundary={boundary}"), &body);
}
