//! The owner's prices: how they change the shipped table, and the message of each mistake.
#![cfg(feature = "users-file")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::LazyLock;

use proptest::prelude::*;
use sparekey_policy::{PriceTable, PricesFileError, RowName, Tier, Tokens, Usage, Usd, is_snapshot_of};

static SHIPPED: LazyLock<PriceTable> = LazyLock::new(|| PriceTable::shipped().unwrap());

fn read(text: &str) -> Result<PriceTable, PricesFileError> {
    SHIPPED.with_overrides(text)
}

fn cost(table: &PriceTable, model: &str, tier: Tier) -> Option<String> {
    let usage = Usage::from(Tokens { input: 1_000_000, output: 1_000_000, ..Tokens::default() });
    table.cost(model, tier, &usage).map(|cost| cost.to_string())
}

#[track_caller]
fn is_refused(text: &str, messages: &[&str]) {
    let error = read(text).unwrap_err();
    assert_eq!(error.problems().iter().map(ToString::to_string).collect::<Vec<_>>(), messages, "{text}");
    assert_eq!(error.to_string(), messages.join("\n"));
}

/// Checks the message of one line in the table of a model, which is line 2.
#[track_caller]
fn is_refused_line(line: &str, message: &str) {
    let text = format!("[models.m]\n{line}\nper_minute_audio = 0");
    is_refused(&text, &[&format!("line 2: models.m.{message}")]);
}

const FORM: &str = "must be 0, or US dollars per million from \"0.000001\" to \"10000\" with at most six decimals";
const SIZE: &str = "must be a whole number from 1 to 4294967295; leave it out if it is not known";
const CALL: &str = "must be US dollars from 0 to 1000, with at most twelve decimals";

#[test]
fn new_models() {
    let text = r#"
[models."org/llama 3 (Q4)"]
max_input = 131072
max_output = 8192
output_tokens_per_second = 2000
standard = { input = "0.123456", output = 1 }

[models.free]
standard = { input = 0, output = "0" }

[models.minutes]
mode = "audio_transcription"
per_minute_audio = "0.006"
"#;
    let table = read(text).unwrap();
    assert_eq!(cost(&table, "org/llama 3 (Q4)", Tier::Standard).as_deref(), Some("1.123456"));
    assert_eq!(cost(&table, "free", Tier::Standard).as_deref(), Some("0.00"), "0 is a price");
    assert_eq!(cost(&table, "free-2026-01-01", Tier::Standard).as_deref(), Some("0.00"));
    assert_eq!(cost(&table, "gpt-5", Tier::Standard), cost(&SHIPPED, "gpt-5", Tier::Standard));
    assert_eq!(cost(&table, "unlisted", Tier::Standard), None);
    assert_eq!(table.find("org/llama 3 (Q4)").unwrap().output_tokens_per_second, Some(2_000));
    let minute = Usage { audio_milliseconds: 60_000, ..Usage::default() };
    assert_eq!(table.cost("minutes", Tier::Standard, &minute), Usd::parse("0.006"));
}

#[test]
fn prices_of_a_listed_model_are_replaced_together() {
    let table = read("[models.gpt-5]\nstandard = { input = 1, output = 2 }").unwrap();
    assert_eq!(cost(&table, "gpt-5", Tier::Standard).as_deref(), Some("3.00"));
    assert_eq!(cost(&table, "gpt-5", Tier::Priority), None, "the shipped row is gone");
    assert_eq!(table.find("gpt-5").unwrap().max_output, Some(128_000), "sizes stay");

    let table = read("[models.gpt-5]\nmax_output = 9\nregional = true").unwrap();
    let gpt_5 = table.find("gpt-5").unwrap();
    assert_eq!((gpt_5.max_output, gpt_5.has_regional_factor, gpt_5.rows().count()), (Some(9), true, 4));
    assert_eq!(gpt_5.row(RowName::STANDARD), SHIPPED.find("gpt-5").unwrap().row(RowName::STANDARD));
}

/// OpenAI's responses name the snapshot that was used.
#[test]
fn snapshots_have_the_new_prices_of_their_model() {
    let is_other = |name: &str, alias: &str| name != alias && is_snapshot_of(name, alias);
    let models = || SHIPPED.models().map(|(name, _)| name);
    let snapshots =
        models().flat_map(|name| models().filter(move |alias| is_other(name, alias)).map(move |alias| (name, alias)));
    let mut count = 0;
    for (name, alias) in snapshots {
        let [of_name, of_alias] = [name, alias].map(|model| SHIPPED.find(model).unwrap());
        let Some(standard) = of_name.row(RowName::STANDARD) else { continue };
        let table = read(&format!("[models.\"{alias}\"]\nstandard = {{ input = 1, output = 2 }}")).unwrap();
        let has_same = of_alias.row(RowName::STANDARD) == Some(standard);
        let expected = if has_same { "3.00".to_owned() } else { cost(&SHIPPED, name, Tier::Standard).unwrap() };
        assert_eq!(cost(&table, name, Tier::Standard), Some(expected), "{name}");
        assert_eq!(table.find(name).unwrap().max_output, of_name.max_output, "sizes stay");
        count += 1;
    }
    assert!(count > 40 && is_other("gpt-4-0613", "gpt-4"), "{count}");

    let standard = |input| format!("standard = {{ input = {input}, output = 2 }}");
    let (alias, dated) = ("gpt-5.4-mini", "gpt-5.4-mini-2026-03-17");
    for models in [[(alias, 1), (dated, 5)], [(dated, 5), (alias, 1)]] {
        let text = models.map(|(name, input)| format!("[models.\"{name}\"]\n{}\n", standard(input))).concat();
        let costs = [alias, dated].map(|name| cost(&read(&text).unwrap(), name, Tier::Standard).unwrap());
        assert_eq!(costs, ["3.00", "7.00"], "{text}");
    }
    // Another row than `standard`, and a snapshot whose own prices are those of before.
    let before = SHIPPED.find(dated).unwrap().row(RowName::STANDARD).unwrap();
    assert_eq!(SHIPPED.find(alias).unwrap().row(RowName::STANDARD), Some(before));
    let row = "standard = { input = \"0.75\", cached = \"0.075\", output = \"4.5\" }";
    let own =
        read(&format!("[models.\"{alias}\"]\n{row}\nflex = {{ input = 1, output = 2 }}\n[models.\"{dated}\"]\n{row}"))
            .unwrap();
    assert_eq!(own.find(dated).unwrap().row(RowName::STANDARD), Some(before), "as listed");
    assert_eq!(own.find(dated).unwrap().rows().count(), 1);
    let flex = read(&format!("[models.\"{alias}\"]\n{row}\nflex = {{ input = 1, output = 2 }}")).unwrap();
    assert_eq!(cost(&flex, dated, Tier::Flex).as_deref(), Some("3.00"));
    let sizes = read(&format!("[models.\"{alias}\"]\nmax_output = 9")).unwrap();
    assert_eq!(sizes.find(dated), SHIPPED.find(dated));
}

#[test]
fn tools_and_versions() {
    let table = read("[tools]\nweb_search = \"0.02\"").unwrap();
    assert_eq!(table.tools().web_search, Usd::parse("0.02").unwrap());
    assert_eq!(table.tools().file_search, SHIPPED.tools().file_search);
    assert_eq!(table.version(), "2026-11-26+b0f58126");
    assert_ne!(table.version(), read("[tools]\nweb_search = \"0.03\"").unwrap().version());
    assert_eq!(table.date(), SHIPPED.date());
}

#[test]
fn messages() {
    for price in
        ["\"-1\"", "-1", "\"0.0000001\"", "\"10000.000001\"", "10001", "\"1e3\"", "\"\"", "\"$1\"", "true", "[1]"]
    {
        is_refused_line(&format!("standard = {{ input = {price}, output = 1 }}"), &format!("standard.input {FORM}"));
    }
    is_refused_line(
        "standard = { input = 0.25, output = 1 }",
        "standard.input must be in quotes, such as \"0.25\", so that no fraction is rounded",
    );
    is_refused_line("per_million_characters = \"0.0000001\"", &format!("per_million_characters {FORM}"));
    for call in ["-1", "\"1000.01\"", "\"0.0000000000001\"", "true"] {
        is_refused_line(&format!("web_search_call = {call}"), &format!("web_search_call {CALL}"));
    }
    is_refused_line("pictures = { \"high/a\" = true }", &format!("pictures.\"high/a\" {CALL}"));
    is_refused_line(
        "pictures = { high = 1 }",
        "pictures.high must be a quality and a size, such as \"high/1024x1024\"",
    );
    is_refused_line("pictures = 1", "pictures must be a table such as { \"high/1024x1024\" = \"0.167\" }");
    for value in ["0", "-1", "\"5\"", "4294967296"] {
        for field in ["max_input", "max_output", "output_tokens_per_second"] {
            is_refused_line(&format!("{field} = {value}"), &format!("{field} {SIZE}"));
        }
    }
    is_refused_line("regional = 1", "regional must be true or false");
    is_refused_line(
        "ends = \"2026-01-01\"",
        "ends must be a date such as 2027-01-01, or a time such as 2027-01-01T18:00:00, without quotes",
    );
    is_refused_line(
        "mode = \"talk\"",
        "mode must be one of chat, responses, completion, embedding, moderation, image_generation, audio_speech, audio_transcription, realtime",
    );
    is_refused_line(
        "standard = { input = 1, output = 1, outputs = 1 }",
        "standard.outputs is not a kind of token; the kinds are input, cached, cache_write, cache_write_12h, output, audio_in, audio_cached, audio_out, image_in, image_cached, image_out",
    );
    is_refused_line(
        "standard = { output = 1 }",
        "standard must have the price of input tokens, such as { input = \"0.25\", output = \"2\" }",
    );
    is_refused_line(
        "price = 1",
        "price is not a field of a model; its fields are mode, max_input, max_output, output_tokens_per_second, ends, regional, web_search_call, per_minute_audio, per_million_characters, pictures, and rows such as standard, flex or priority_long",
    );
}

/// `max_output = 0` would hold nothing for the output of a request.
#[test]
fn a_model_without_output_is_an_embedding_or_moderation() {
    let refused = || format!("line 1: models.m.max_output {SIZE}");
    for (mode, output, is_allowed) in [
        ("embedding", "0", true),
        ("moderation", "0", true),
        ("embedding", "\"0.000001\"", false),
        ("chat", "0", false),
        ("audio_speech", "0", false),
        ("image_generation", "0", false),
    ] {
        let row = format!("standard = {{ input = 1, output = {output} }}");
        // The mode may stand behind the size.
        let text = format!("models.m = {{ max_output = 0, mode = \"{mode}\", {row} }}");
        let expected = if is_allowed { Ok(Some(0)) } else { Err(refused()) };
        let read = read(&text).map(|table| table.find("m").unwrap().max_output);
        assert_eq!(read.map_err(|error| error.to_string()), expected, "{text}");
    }
    let moderation = "omni-moderation-latest";
    assert_eq!(SHIPPED.find(moderation).unwrap().max_output, Some(0));
    let table = read(&format!("[models.{moderation}]\nstandard = {{ input = 1, output = 1 }}")).unwrap();
    assert_eq!(table.find(moderation).unwrap().max_output, None, "the listed size is not of a model with output");
}

/// Text without a price of its output would be accepted here and refused at each request.
#[test]
fn rows_have_a_price_of_output() {
    const OUTPUT: &str = "must have the price of output tokens, such as { input = \"0.25\", output = \"2\" }; only a model of mode \"embedding\" or \"moderation\" needs none";
    for (mode, row, is_allowed) in [
        ("chat", "{ input = 1 }", false),
        ("responses", "{ input = 1, audio_out = 1 }", false),
        ("audio_speech", "{ input = 1, audio_out = 1 }", false),
        ("image_generation", "{ input = 1 }", false),
        ("image_generation", "{ input = 1, image_out = 1 }", true),
        ("chat", "{ input = 1, output = 0 }", true),
        ("embedding", "{ input = 1 }", true),
        ("moderation", "{ input = 1 }", true),
    ] {
        let model = format!("[models.m]\nstandard = {row}\nmode = \"{mode}\"");
        let expected = if is_allowed { Ok(()) } else { Err(format!("line 2: models.m.standard {OUTPUT}")) };
        assert_eq!(read(&model).map(|_| ()).map_err(|error| error.to_string()), expected, "{model}");
    }
    let standard = "[models.m]\nstandard = { input = 1, output = 1 }";
    is_refused(&format!("{standard}\nflex = {{ input = 1 }}"), &[&format!("line 3: models.m.flex {OUTPUT}")]);
    assert!(read(&format!("{standard}\nbatch = {{ input = 1 }}")).is_ok(), "as of gpt-image-1");
}

#[test]
fn all_problems_at_once() {
    is_refused(
        "version = \"1\"\nmodels = 1\n[tools]\nweb = 1\nfile_search = -1",
        &[
            "line 1: version is not part of a prices file, which has [models.\"NAME\"] and [tools]",
            "line 2: models must be a table",
            "line 4: tools.web is not a field here; the fields are web_search, file_search, container",
            &format!("line 5: tools.file_search {CALL}"),
        ],
    );
    is_refused(
        "[models.a]\nmax_input = 1\n\n[models.b]\nflex = { input = 1, output = 1 }\n\n[models]\nc = 1\n\"é\" = { per_minute_audio = 1 }",
        &[
            "line 1: models.a has no price; it needs standard = { input = \"…\", output = \"…\" }, or a price per minute",
            "line 4: models.b has rows, but not standard, which applies to most requests",
            "line 8: models.c must be a table",
            "line 9: models.\"é\" must be the name of a model: visible ASCII characters",
        ],
    );
    is_refused("tools = 5", &["line 1: tools must be a table"]);
}

#[test]
fn names_with_a_dot_need_quotes() {
    let message = |line, path, name| {
        format!(
            "line {line}: models.{path} is not a field of a model; a name with a dot needs quotes, such as [models.\"{name}\"]"
        )
    };
    let row = "standard = { input = 1, output = 2 }";
    for (text, path, name) in [
        (format!("[models.gpt-5.4-mini]\n{row}"), "gpt-5.4-mini", "gpt-5.4-mini"),
        // No model `gpt-7` is listed.
        (format!("[models.gpt-7.4-mini]\n{row}"), "gpt-7.4-mini", "gpt-7.4-mini"),
        (format!("[models.gpt-7.4.1-mini]\n{row}"), "gpt-7.4", "gpt-7.4.1-mini"),
        (format!("models.gpt-7.4.{row}"), "gpt-7.4", "gpt-7.4"),
        (format!("[models.\"org/a\".5]\n{row}"), "\"org/a\".5", "org/a.5"),
    ] {
        is_refused(&text, &[&message(1, path, name)]);
    }
    let both = format!("[models.gpt-7]\n{row}\n[models.gpt-7.1]\n{row}\n[models.gpt-7.2]\n{row}");
    is_refused(&both, &[&message(3, "gpt-7.1", "gpt-7.1"), &message(5, "gpt-7.2", "gpt-7.2")]);
}

#[test]
fn duplicate_models_and_fields() {
    is_refused(
        "[models.a]\nper_minute_audio = 1\n[models.a]\nper_minute_audio = 2",
        &["line 3: the file cannot be read: duplicate key"],
    );
    is_refused(
        "[models.a]\nstandard = { input = 1 }\nstandard = { input = 2 }",
        &["line 3: the file cannot be read: duplicate key"],
    );
    is_refused("[models.a]\nstandard = { input = 1, input = 2 }", &["line 2: the file cannot be read: duplicate key"]);
}

proptest! {
    /// A price with at most six decimals is exact, and one with more is refused.
    #[test]
    fn prices_are_exact(micro in 0..=10_000_000_000_i64, more in 1..=9) {
        let text = format!("{}.{:06}", micro / 1_000_000, micro % 1_000_000);
        let file = |price: &str| format!("[models.m]\nstandard = {{ input = \"{price}\", output = 0 }}");
        let one = Usage::from(Tokens { input: 1, ..Tokens::default() });
        let table = read(&file(&text)).unwrap();
        prop_assert_eq!(table.cost("m", Tier::Standard, &one), Some(Usd::from_pico(micro)));
        let longer = file(&format!("{text}{more}"));
        prop_assert!(read(&longer).is_err());
    }
}

/// `cargo run -p sparekey-policy --example compile_prices` writes it.
#[test]
fn compiled_prices_are_those_of_the_source() {
    let source = PriceTable::from_source().unwrap();
    assert_eq!(source, *SHIPPED, "prices.json is older than prices.toml");
    assert_eq!(include_str!("../prices.json"), source.to_json(|_| true) + "\n");
}
