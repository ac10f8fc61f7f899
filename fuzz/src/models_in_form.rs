//! Models in `multipart/form-data`, compared with other readers.

use sparekey_metering::{BodyForm, Target, read_facts};
use sparekey_policy::ModelSource;

/// Checks that readers of all kinds find the same models in an accepted form.
pub(crate) fn models_in_form(input: &[u8]) {
    let content_type = &b"multipart/form-data; boundary=Xx"[..];
    let form = BodyForm::from_headers([content_type], []).expect("a valid content-type");
    let target = Target { source: ModelSource::Multipart, path: "/audio/transcriptions", query: None };
    let Ok(facts) = read_facts(target, &form, input) else { return };
    assert!(facts.other_models.len() <= 1, "only 'svg.model'");
    let svg = facts.other_models.first().map(|model| model.name.as_bytes().to_vec());
    let expected = [facts.model.map(|name| name.as_bytes().to_vec()), svg];
    for parts in readings(input) {
        for (field, expected) in ["model", "svg[model]"].into_iter().zip(&expected) {
            for has_name in [Part::may_have_name, Part::has_name] {
                let found: Vec<_> =
                    parts.iter().filter(|part| has_name(part, field)).map(|part| &part.content).collect();
                assert_eq!(found, expected.iter().collect::<Vec<_>>(), "{}", input.escape_ascii());
            }
        }
    }
}

/// Returns the parts that each reader finds behind the boundary `Xx`.
pub(crate) fn readings(body: &[u8]) -> [Vec<Part>; 3] {
    [by_line(body), by_search(body, "--Xx"), by_search(&[b"\r\n", body].concat(), "\r\n--Xx")]
}

#[derive(Debug, Default)]
pub(crate) struct Part {
    headers: String,
    pub(crate) content: Vec<u8>,
}

impl Part {
    /// Whether any reader may take this for the name: with or without quotes and escapes, in any parameter with `name` in its
    /// own name but a file's, in any case and punctuation.
    pub(crate) fn may_have_name(&self, field: &str) -> bool {
        let letters = |text: &str| text.chars().filter(char::is_ascii_alphanumeric).collect::<String>();
        let field = letters(field);
        let mut parameters = self.dispositions().into_iter().flat_map(|line| {
            line.split(';')
                .filter_map(|item| item.split_once('='))
                .map(|(name, value)| (name.trim().to_owned(), letters(value)))
                .collect::<Vec<_>>()
        });
        parameters.any(|(name, value)| {
            name.contains("name")
                && !name.starts_with("filename")
                && (value == field || value.strip_prefix("utf8") == Some(&*field))
        })
    }

    /// Whether it has the name of a file.
    pub(crate) fn has_file_name(&self) -> bool {
        self.dispositions().iter().any(|line| line.contains("filename"))
    }

    /// Whether a reader that respects quotes and escapes finds the name.
    fn has_name(&self, field: &str) -> bool {
        self.dispositions().iter().any(|line| {
            let (mut items, mut is_quoted, mut is_escaped) = (vec![String::new()], false, false);
            for c in line.chars() {
                match c {
                    '"' if !is_escaped => is_quoted = !is_quoted,
                    '\\' if is_quoted && !is_escaped => {
                        is_escaped = true;
                        continue;
                    }
                    ';' if !is_quoted => items.push(String::new()),
                    c => items.last_mut().expect("an item").push(c),
                }
                is_escaped = false;
            }
            items.iter().any(|item| item.trim() == format!("name={field}"))
        })
    }

    /// The lines of `content-disposition` in lower case, unfolded.
    fn dispositions(&self) -> Vec<String> {
        let unfolded = self.headers.replace("\r\n", "\n").replace("\n ", " ").replace("\n\t", " ").to_ascii_lowercase();
        let lines = unfolded.split(['\n', '\r']).filter_map(|line| line.split_once(':'));
        lines.filter(|(name, _)| name.trim() == "content-disposition").map(|(_, value)| value.to_owned()).collect()
    }
}

/// Reads line by line, as mail readers do: a line may end with LF, a delimiter with spaces; a preamble is skipped.
fn by_line(body: &[u8]) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let mut is_header = false;
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let text = line.trim_ascii_end();
        if text == b"--Xx" || text == b"--Xx--" {
            if let Some(part) = parts.last_mut() {
                strip_line_end(&mut part.content);
            }
            parts.push(Part::default());
            is_header = true;
        } else if let Some(part) = parts.last_mut() {
            if !is_header {
                part.content.extend(line);
            } else if text.is_empty() {
                is_header = false;
            } else {
                part.headers.push_str(&String::from_utf8_lossy(line));
            }
        }
    }
    parts
}

/// Splits at each occurrence of the delimiter, whatever follows.
fn by_search(body: &[u8], delimiter: &str) -> Vec<Part> {
    let text: String = body.iter().copied().map(char::from).collect();
    let parts = text.split(delimiter).skip(1).map(|part| {
        let ends = ["\r\n\r\n", "\n\n", "\r\r"].into_iter().filter_map(|end| Some((part.find(end)?, end)));
        let (at, end) = ends.min().unwrap_or((part.len(), ""));
        let mut content = part[at + end.len()..].chars().map(|c| u8::try_from(c).expect("a byte")).collect();
        strip_line_end(&mut content);
        Part { headers: part[..at].trim_start().to_owned(), content }
    });
    parts.collect()
}

fn strip_line_end(content: &mut Vec<u8>) {
    let stripped = content.strip_suffix(b"\n").map(|content| content.strip_suffix(b"\r").unwrap_or(content));
    content.truncate(stripped.unwrap_or(content).len());
}
