//! What a form can use at most.

use std::borrow::Cow;

use sparekey_policy::{AudioFile, Demand, Endpoint, Stream};

use super::{
    field::{letters, plain_text},
    part::Part,
};
use crate::{
    audio,
    demand::{Count, advice, picture_format_advice, word},
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

/// Formats of a response that reports its usage or its duration.
const TRANSCRIPTIONS: [&[u8]; 3] = [b"json", b"verbose_json", b"diarized_json"];
const TRANSLATIONS: [&[u8]; 1] = [b"verbose_json"];

/// The audio file.
const FILE: &str = "file";

/// The parts of an image that are read as files.
const PICTURES: [&str; 3] = ["image", "image[]", "mask"];

/// What was read until now.
#[derive(Debug)]
pub(super) struct FormDemand {
    demand: Demand,
    /// The fields of [`OPTIONS`] that stood.
    seen: [bool; OPTIONS.len()],
    has_format: bool,
    has_file: bool,
    audio: Option<AudioFile>,
    /// Bytes of the parts that the endpoint reads as files.
    file_bytes: usize,
}

impl FormDemand {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        Self {
            demand: Demand::new(endpoint),
            seen: [false; OPTIONS.len()],
            has_format: false,
            has_file: false,
            audio: None,
            file_bytes: 0,
        }
    }

    pub(super) fn add(&mut self, part: &Part<'_>) -> Result<(), BodyError> {
        let endpoint = self.demand.endpoint;
        let base = part.name.split(['[', '.']).next().unwrap_or_default();
        if endpoint == Endpoint::ImageEdits {
            if ["image", "mask"].iter().any(|name| base.eq_ignore_ascii_case(name)) {
                let pictures = &mut self.demand.extras_mut().pictures;
                pictures.count = pictures.count.saturating_add(1);
            }
            if part.is_file && PICTURES.contains(&part.name) {
                self.file_bytes = self.file_bytes.saturating_add(part.content.len());
            }
        } else if letters(part.name).eq(letters(FILE)) {
            return self.read_file(part);
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
        if let Some(advice) = advice(endpoint, base).filter(|_| !part.is_file) {
            self.demand.refuse(Cow::Owned(base.to_owned()), advice);
        }
        Ok(())
    }

    /// Reads the audio file.
    fn read_file(&mut self, part: &Part<'_>) -> Result<(), BodyError> {
        if part.name != FILE {
            return Err(BodyError::FieldSpelling { param: Cow::Borrowed(FILE) });
        }
        if std::mem::replace(&mut self.has_file, true) {
            return Err(BodyError::DuplicateField { param: Cow::Borrowed(FILE) });
        }
        if part.is_file {
            self.file_bytes = part.content.len();
            self.audio = Some(audio::read(part.content));
        }
        Ok(())
    }

    fn read(&mut self, part: &Part<'_>, name: &'static str) -> Result<(), BodyError> {
        let text = plain_text(part, name)?;
        let endpoint = self.demand.endpoint;
        let mut refused = advice(endpoint, name);
        match name {
            "n" => self.demand.choices = count(Count::Pictures, text, name)?,
            "size" => self.demand.extras_mut().picture_size = Some(word(text)),
            "quality" => self.demand.extras_mut().picture_quality = Some(word(text)),
            "partial_images" => {
                self.demand.extras_mut().partial_pictures = count(Count::PartialPictures, text, name)?;
            }
            "output_format" => refused = picture_format_advice(text),
            "response_format" if endpoint != Endpoint::ImageEdits => {
                self.has_format = true;
                refused = format_advice(endpoint, text);
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
        self.demand.text_bytes = length.saturating_sub(self.file_bytes).try_into().unwrap_or(u64::MAX);
        if self.demand.endpoint != Endpoint::ImageEdits {
            self.demand.extras_mut().audio_file = self.audio;
            if self.audio.is_none() {
                self.demand.refuse(Cow::Borrowed(FILE), "Send the file.");
            }
            let advice = format_advice(self.demand.endpoint, b"json").filter(|_| !self.has_format);
            if let Some(advice) = advice {
                self.demand.refuse(Cow::Borrowed("response_format"), advice);
            }
        }
        self.demand
    }
}

/// Returns the advice for a format whose responses do not report their usage. The default is `json`.
fn format_advice(endpoint: Endpoint, format: &[u8]) -> Option<&'static str> {
    let (formats, advice) = if endpoint == Endpoint::Translations {
        (&TRANSLATIONS[..], "Send 'verbose_json', because other responses do not report the duration.")
    } else {
        (&TRANSCRIPTIONS[..], "Send 'json' or 'verbose_json'.")
    };
    Some(advice).filter(|_| !formats.contains(&format))
}

fn count(count: Count, text: &[u8], name: &'static str) -> Result<u64, BodyError> {
    let number = digits::parse(text).ok_or("a whole number that is not negative");
    number.and_then(|number| count.check(number)).map_err(|expected| wrong_type(name, expected))
}

fn wrong_type(name: &'static str, expected: &'static str) -> BodyError {
    BodyError::Type { param: Cow::Borrowed(name), expected }
}
