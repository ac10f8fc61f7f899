//! `sparekey prices`: the prices that are in force.

use std::fs;

use sparekey_policy::PriceTable;

use super::{Test, command_folder::Folder};

pub(super) const TESTS: &[Test] = &[
    ("table_of_a_model", model),
    ("prices_file_is_applied", overrides),
    ("compile_is_what_the_worker_reads", compile),
    ("model_without_a_price_is_refused", unknown),
];

fn model() {
    let folder = Folder::new(None);
    let text = folder.prints(&["prices", "gpt-5.4-2026-03-05"]);
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["MODEL", "ROW", "INPUT", "CACHED", "OUTPUT", "ALSO"]);
    assert!(lines[1][0].starts_with("gpt-5.4") && lines[1][1] == "standard" && lines[1][2].contains('.'), "{text}");
    assert!(text.contains("US dollars per million tokens. Built-in prices of 20"), "{text}");
    let all = folder.prints(&["prices"]);
    assert!(all.lines().count() > 200 && all.contains(" a minute of audio 0.006"), "{all}");
    assert!(all.lines().all(|line| line.len() < 200), "{all}");
}

fn overrides() {
    let folder = Folder::new(None);
    let file = folder.path.join("prices.toml");
    let mine = "[models.\"my model\"]\nmax_output = 4096\nstandard = { input = \"0.000001\", output = 20 }\nweb_search_call = 0\n";
    fs::write(&file, format!("{mine}[models.\"gpt-5.4\"]\nstandard = {{ input = 1, output = 2 }}\n")).unwrap();
    let file = file.to_str().unwrap();
    let text = folder.prints(&["prices", "my model", "--prices-file", file]);
    assert!(text.contains(", changed by PRICES_FILE; version "), "{text}");
    assert!(text.starts_with(
        "\
MODEL     ROW          INPUT  CACHED  OUTPUT  ALSO
my model  standard  0.000001           20.00  a web search 0.00
"
    ));
    let text = folder.prints(&["prices", "--prices-file", file, "--json"]);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let models = json["models"].as_array().unwrap();
    let find = |name: &str| models.iter().find(|model| model["name"] == name).unwrap();
    assert_eq!(
        find("gpt-5.4")["per_million_tokens"],
        serde_json::json!({ "standard": { "input": "1.00", "output": "2.00" } })
    );
    assert_eq!(find("my model")["per_million_tokens"]["standard"]["input"], "0.000001");
    assert_eq!(find("my model")["max_output"], 4096);
    assert!(find("gpt-4o-mini")["per_million_tokens"]["standard"]["cached"].is_string());
    assert!(json["version"].as_str().unwrap().contains('+'), "the owner's prices count");
    fs::write(file, "[models.a]\nstandard = { input = 1.5, output = 2 }\n[tool]\n").unwrap();
    let mut command = folder.sparekey(&["prices"]);
    let output = super::command_folder::output(command.env("PRICES_FILE", file));
    let problem = format!("PRICES_FILE {file} line 2: models.a.standard.input must be in quotes");
    super::command_folder::assert_refused(&output, 1, &problem);
    super::command_folder::assert_refused(&output, 1, "line 3: tool is not part of a prices file");
    folder.refuses(&["prices", "--prices-file", "/not/there"], 1, "PRICES_FILE names /not/there, which cannot be read");
}

fn compile() {
    let folder = Folder::new(None);
    let file = folder.path.join("prices.toml");
    fs::write(&file, "[models.mine]\nstandard = { input = 1, output = 20 }\n").unwrap();
    let file = file.to_str().unwrap();
    let read = |text: &str| PriceTable::from_json(text.trim_end()).unwrap();
    let all = read(&folder.prints(&["prices", "--compile", "--prices-file", file]));
    assert!(all.find("mine").is_some() && all.find("gpt-5.4").is_some());
    assert!(all.version().contains('+'), "the owner's prices count");
    let one = read(&folder.prints(&["prices", "mine", "--compile", "--prices-file", file]));
    assert_eq!((one.find("mine"), one.models().count()), (all.find("mine"), 1));
}

fn unknown() {
    let folder = Folder::new(None);
    folder.refuses(&["prices", "gpt5.4"], 1, "there is no price of this model");
    folder.refuses(&["prices", "gpt5.4"], 1, "there is gpt-5.4. To add it, write [models.\"NAME\"]");
    folder.refuses(&["prices", "a", "b"], 2, "unexpected argument");
}
