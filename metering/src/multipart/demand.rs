//! What a form can use at most.

use std::borrow::Cow;

use sparekey_policy::{Demand, Endpoint, Stream};

use super::{
    field::{letters, plain_text},
    part::Part,
};
use crate::{
    demand::{advice, picture_format_advice, word},
    digits,
    error::BodyError,
};

/// The fields that are read, beside models and files. Each may stand once.
const OPTIONS: [&str; 11] = [
    "n",
    "size",
    "quality",
    "partial_images",
    "output_format",
    "response_format",
    "stream",
    "svg",
    "frame_count",
    "complexity",
    "url",
];

/// Formats of a transcription whose responses have no usage.
const WITHOUT_USAGE: [&[u8]; 3] = [b"text", b"srt", b"vtt"];

const WITH_USAGE: &str = "Send 'json' or 'verbose_json'.";

/// What was read until now.
#[derive(Debug)]
pub(super) struct FormDemand {
    demand: Demand,
    /// The fields of [`OPTIONS`] that stood.
    seen: [bool; OPTIONS.len()],
    has_file: bool,
    file_bytes: usize,
}

impl FormDemand {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        Self { demand: Demand::new(endpoint), seen: [false; OPTIONS.len()], has_file: false, file_bytes: 0 }
    }

    pub(super) fn add(&mut self, part: &Part<'_>) -> Result<(), BodyError> {
        if part.is_file {
            self.file_bytes = self.file_bytes.saturating_add(part.content.len());
        }
        let base = part.name.split(['[', '.']).next().unwrap_or_default();
        if ["image", "mask"].iter().any(|name| base.eq_ignore_ascii_case(name)) {
            let pictures = &mut self.demand.extras_mut().pictures;
            pictures.count = pictures.count.saturating_add(1);
        }
        if part.name.eq_ignore_ascii_case("file") {
            self.has_file |= part.is_file;
        }
        for (name, is_seen) in OPTIONS.iter().zip(&mut self.seen) {
            if part.name == *name {
                if std::mem::replace(is_seen, true) {
                    return Err(BodyError::DuplicateField { param: Cow::Borrowed(name) });
                }
                return self.read(part, name);
            }
            if letters(part.name).eq(letters(name)) {
                return Err(BodyError::FieldSpelling { param: Cow::Borrowed(name) });
            }
        }
        // `svg[model]`, `svg[reasoning]`.
        if let Some(advice) = advice(self.demand.endpoint, base).filter(|_| !part.is_file) {
            self.demand.refuse(Cow::Owned(base.to_owned()), advice);
        }
        Ok(())
    }

    fn read(&mut self, part: &Part<'_>, name: &'static str) -> Result<(), BodyError> {
        let text = plain_text(part, name)?;
        let endpoint = self.demand.endpoint;
        let mut refused = advice(endpoint, name);
        match name {
            "n" => match number(text, name)? {
                0 => return Err(wrong_type(name, "a whole number of at least 1")),
                count => self.demand.choices = count,
            },
            "size" => self.demand.extras_mut().picture_size = Some(word(text)),
            "quality" => self.demand.extras_mut().picture_quality = Some(word(text)),
            "partial_images" => self.demand.extras_mut().partial_pictures = number(text, name)?,
            "output_format" => refused = picture_format_advice(text),
            "response_format" if endpoint == Endpoint::Transcriptions && WITHOUT_USAGE.contains(&text) => {
                refused = Some(WITH_USAGE);
            }
            "stream" if text.eq_ignore_ascii_case(b"true") => self.demand.stream = Stream::Yes,
            "stream" if !text.eq_ignore_ascii_case(b"false") => return Err(wrong_type(name, "true or false")),
            _ => {}
        }
        if let Some(advice) = refused {
            self.demand.refuse(Cow::Borrowed(name), advice);
        }
        Ok(())
    }

    pub(super) fn finish(mut self, length: usize) -> Demand {
        let bytes = |count: usize| count.try_into().unwrap_or(u64::MAX);
        self.demand.text_bytes = bytes(length.saturating_sub(self.file_bytes));
        if matches!(self.demand.endpoint, Endpoint::Transcriptions | Endpoint::Translations) {
            // Voices of known speakers are fields.
            self.demand.extras_mut().audio_bytes = bytes(length);
            if !self.has_file {
                self.demand.refuse(Cow::Borrowed("file"), "Send the file.");
            }
        }
        self.demand
    }
}

fn number(text: &[u8], name: &'static str) -> Result<u64, BodyError> {
    digits::parse(text).ok_or_else(|| wrong_type(name, "a whole number that is not negative"))
}

fn wrong_type(name: &'static str, expected: &'static str) -> BodyError {
    BodyError::Type { param: Cow::Borrowed(name), expected }
}
