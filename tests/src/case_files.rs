//! Expands the files of `cases/` into single cases: rows, API bases and placeholders.

use std::{collections::BTreeSet, fs, path::Path};

use base64ct::{Base64, Encoding};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use toml::{Table, Value};

use crate::case::Case;

/// The configured access key by default: `{key}`.
pub const KEY: &str = "sk-Tom-wMtF9kkGDuXn42Zb7QcR5sLa";
/// A second user's access key, for cases that configure it: `{ann}`.
pub const ANN: &str = "sk-ann.b_c-d-Yp83KdqWm2VtRz6HcXb9";
/// The API key: `{api_key}`. It has the form of an access key, as an API key may.
pub const API_KEY: &str = "sk-proj-Q7fT3BlbkFJz0wNeR4kVhXy2LmC";
/// The owner's token for an AI Gateway, for cases that set it: `{token}`.
pub const GATEWAY_TOKEN: &str = "gwToken0Vb3nQx7LpRt5";

/// The item of a users file for an access key.
#[must_use]
pub fn digest(key: &str) -> String {
    format!("sha256:{}", base16ct::lower::encode_string(&Sha256::digest(key)))
}

/// The schema of a file of `cases/`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Settings of all cases of the file.
    #[serde(default)]
    settings: Table,
    case: Vec<Block>,
}

/// A `[[case]]`: one case, or one per row and API base.
#[derive(Deserialize)]
struct Block {
    /// The cells of a row replace `{0}`, `{1}` …
    #[serde(default)]
    rows: Vec<Vec<String>>,
    /// The part of the name that distinguishes the rows: the first cell by default.
    names: Option<String>,
    name: String,
    /// Pairs of an `API_BASE` without its origin and the base path of the upstream requests, `{base}`.
    #[serde(default)]
    bases: Vec<(String, String)>,
    #[serde(flatten)]
    fields: Table,
}

/// A case whose upstream address is not set yet.
#[derive(Clone, Debug)]
pub struct Template {
    /// The name of its file, without the extension.
    pub file: String,
    /// Unique within its file.
    pub name: String,
    fields: Table,
}

impl Template {
    /// The case, for an upstream at this `host:port`.
    ///
    /// # Panics
    /// If the case is malformed; [`load`] has checked that it is not.
    #[must_use]
    pub fn at(&self, authority: &str) -> Case {
        self.try_at(authority).unwrap_or_else(|error| panic!("{}, {}: {error}", self.file, self.name))
    }

    fn try_at(&self, authority: &str) -> Result<Case, toml::de::Error> {
        let placeholders = [("{upstream}", &*format!("http://{authority}")), ("{authority}", authority)];
        let mut fields = Value::Table(self.fields.clone());
        replace(&mut fields, &placeholders);
        if let Value::Table(fields) = &mut fields {
            fields.insert("name".into(), Value::String(self.name.clone()));
        }
        fields.try_into()
    }
}

/// Reads all cases of this package.
///
/// # Panics
/// If a file can't be read, a case is malformed, or two cases have the same name.
#[must_use]
pub fn load() -> Vec<Template> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a listed file").path()).collect();
    paths.sort();
    let mut names = BTreeSet::new();
    let mut templates = Vec::new();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "toml")) {
        let name = path.file_stem().expect("a named file").to_string_lossy().into_owned();
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"));
        let file: File = toml::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        for template in file.case.iter().flat_map(|block| block.templates(&name, &file.settings)) {
            // Reports a malformed case when the cases are loaded, not when one runs.
            let _ = template.at("upstream.test:8080");
            let duplicate = format!("{name}: two cases are named {:?}", template.name);
            assert!(names.insert((template.file.clone(), template.name.clone())), "{duplicate}");
            templates.push(template);
        }
    }
    templates
}

impl Block {
    fn templates(&self, file: &str, settings: &Table) -> Vec<Template> {
        let rows = if self.rows.is_empty() { vec![Vec::new()] } else { self.rows.clone() };
        let bases: Vec<_> = self.bases.iter().map(Some).collect();
        let bases = if bases.is_empty() { vec![None] } else { bases };
        let pairs = bases.iter().flat_map(|base| rows.iter().map(move |row| (*base, row)));
        pairs.map(|(base, row)| self.template(file, settings, base, row)).collect()
    }

    fn template(&self, file: &str, common: &Table, base: Option<&(String, String)>, row: &[String]) -> Template {
        let mut fields = self.fields.clone();
        let own = fields.remove("settings").and_then(|own| own.try_into::<Table>().ok()).unwrap_or_default();
        let mut settings = common.clone();
        settings.extend(own);
        let row_name = if row.is_empty() { "" } else { self.names.as_deref().unwrap_or("{0}") };
        let separator = if row.is_empty() { "" } else { ": " };
        let base_name = base.map(|(base, _)| format!(", base {base:?}")).unwrap_or_default();

        let mut value = Value::Table(fields);
        let cells: Vec<_> = (0..row.len()).map(|at| format!("{{{at}}}")).collect();
        let mut placeholders: Vec<_> = cells.iter().map(String::as_str).zip(row.iter().map(String::as_str)).collect();
        if let Some((base, below)) = base {
            settings.insert("API_BASE".into(), Value::String(format!("{{upstream}}{base}")));
            placeholders.push(("{base}", below));
        }
        let keys = [("{key}", KEY), ("{ann}", ANN), ("{api_key}", API_KEY), ("{token}", GATEWAY_TOKEN)];
        let row_name = placeholders
            .iter()
            .fold(row_name.to_owned(), |name, (placeholder, value)| name.replace(placeholder, value));
        let name = format!("{}{separator}{}{base_name}", self.name, printable(&row_name));
        placeholders.extend(keys);
        replace(&mut value, &placeholders);
        let mut settings = Value::Table(settings);
        replace(&mut settings, &placeholders);
        if let Value::Table(table) = &mut value {
            table.insert("settings".into(), settings);
        }
        let Value::Table(fields) = value else { unreachable!("made of a table") };
        Template { file: file.to_owned(), name, fields }
    }
}

/// Replaces the placeholders in order, then `{base64:…}`, in all texts.
fn replace(value: &mut Value, placeholders: &[(&str, &str)]) {
    match value {
        Value::String(text) => {
            for (placeholder, value) in placeholders {
                *text = text.replace(placeholder, value);
            }
            encode(text);
        }
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, placeholders)),
        Value::Table(table) => {
            for (mut name, mut item) in std::mem::take(table) {
                name = placeholders.iter().fold(name, |name, (placeholder, value)| name.replace(placeholder, value));
                replace(&mut item, placeholders);
                table.insert(name, item);
            }
        }
        _ => {}
    }
}

/// A test name must be one line.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { c.escape_default().to_string() } else { c.into() }).collect()
}

fn encode(text: &mut String) {
    const OPEN: &str = "{base64:";
    while let Some(start) = text.find(OPEN) {
        let Some(length) = text[start..].find('}') else { return };
        let plain = &text[start + OPEN.len()..start + length];
        let encoded = Base64::encode_string(plain.as_bytes());
        text.replace_range(start..=start + length, &encoded);
    }
}
