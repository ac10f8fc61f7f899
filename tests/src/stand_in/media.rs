//! Pictures, speech and transcriptions, with the usage that [OpenAI reports](https://platform.openai.com/docs/api-reference).

use base64ct::{Base64, Encoding as _};
use bytes::Bytes;
use http::{Response, StatusCode, request};
use serde_json::{Value, json};

use super::{
    api::{failed, ok, reporting},
    body::{self, Body, Step, digest},
    form,
    shapes::BYTES_PER_TOKEN,
};

/// Tokens of a picture of 1024 × 1024 pixels, by quality.
const PICTURE_TOKENS: [(&str, usize); 3] = [("low", 272), ("medium", 1_056), ("high", 4_160)];
/// Tokens of a picture in the input: 65 and 129 per tile.
const INPUT_PICTURE_TOKENS: usize = 65 + 2 * 129;
/// Tokens of a picture that is sent before it is complete.
const PARTIAL_PICTURE_TOKENS: usize = 100;
/// Bytes of a second of audio at 128 kbit/s.
const AUDIO_BYTES_PER_SECOND: usize = 16_000;
const AUDIO_TOKENS_PER_SECOND: usize = 10;

/// A request with its body.
pub(super) struct Media<'a> {
    pub(super) head: &'a request::Parts,
    pub(super) sent: &'a [u8],
    pub(super) json: &'a Value,
}

impl Media<'_> {
    /// A field of the JSON body, or of the form.
    fn field(&self, name: &str) -> Option<String> {
        match &self.json[name] {
            Value::Null => form::field(self.head, self.sent, name).map(str::to_owned),
            Value::String(text) => Some(text.clone()),
            value => Some(value.to_string()),
        }
    }

    fn number(&self, name: &str) -> Option<usize> {
        self.field(name)?.parse().ok()
    }

    fn is_streamed(&self) -> bool {
        self.field("stream").as_deref() == Some("true")
    }

    /// Pictures; `kind` is the beginning of the types of a stream's events.
    pub(super) fn pictures(&self, kind: &str) -> Response<Body> {
        let quality = self.field("quality").unwrap_or_else(|| "medium".to_owned());
        let Some((_, each)) = PICTURE_TOKENS.into_iter().find(|(name, _)| *name == quality) else {
            return failed(400, "no such quality", "invalid_value");
        };
        let count = self.number("n").unwrap_or(1);
        let partial = if self.is_streamed() { self.number("partial_images").unwrap_or(0) } else { 0 };
        let text = self.field("prompt").unwrap_or_default().len().div_ceil(BYTES_PER_TOKEN);
        let image = form::files(self.sent) * INPUT_PICTURE_TOKENS;
        let output = count * (each + partial * PARTIAL_PICTURE_TOKENS);
        let usage = json!({
            "input_tokens": text + image, "input_tokens_details": {"image_tokens": image, "text_tokens": text},
            "output_tokens": output, "output_tokens_details": {"image_tokens": output, "text_tokens": 0},
            "total_tokens": text + image + output,
        });
        let b64_json = Base64::encode_string(&every_byte()[..256]);
        let of_all = json!({"background": "opaque", "output_format": "png", "quality": quality, "size": "1024x1024"});
        if !self.is_streamed() {
            let mut pictures = of_all;
            pictures["created"] = 1.into();
            pictures["data"] = vec![json!({"b64_json": b64_json}); count].into();
            pictures["usage"] = usage;
            return ok(&pictures);
        }
        let event = |name: &str, field: &str, value: &Value| {
            let mut data = of_all.clone();
            data["type"] = format!("{kind}.{name}").into();
            data["created_at"] = 1.into();
            data["b64_json"] = b64_json.as_str().into();
            data[field] = value.clone();
            data
        };
        let mut events: Vec<_> =
            (0..partial).map(|index| event("partial_image", "partial_image_index", &index.into())).collect();
        events.push(event("completed", "usage", &usage));
        stream(&events, &usage)
    }

    pub(super) fn speech(&self) -> Response<Body> {
        if self.field("stream_format").as_deref() != Some("sse") {
            return body::whole(StatusCode::OK, "audio/mpeg", every_byte());
        }
        let input = self.field("input").unwrap_or_default().len().div_ceil(BYTES_PER_TOKEN);
        let output = 10 * input;
        let usage = json!({"input_tokens": input, "output_tokens": output, "total_tokens": input + output});
        let audio = Base64::encode_string(&every_byte());
        let done = json!({"type": "speech.audio.done", "usage": usage});
        stream(&[json!({"type": "speech.audio.delta", "audio": audio}), done], &usage)
    }

    /// The text is the digest of the file.
    pub(super) fn transcription(&self) -> Response<Body> {
        let Some(file) = form::file(self.head, self.sent) else { return failed(400, "no file", "no_file") };
        let text = digest(file);
        let seconds = file.len().div_ceil(AUDIO_BYTES_PER_SECOND);
        let is_whisper = self.field("model").is_some_and(|model| model.starts_with("whisper"));
        let usage = if is_whisper {
            json!({"type": "duration", "seconds": seconds})
        } else {
            let (input, output) = (seconds * AUDIO_TOKENS_PER_SECOND, text.len().div_ceil(BYTES_PER_TOKEN));
            json!({
                "type": "tokens", "input_tokens": input, "input_token_details": {"text_tokens": 0, "audio_tokens": input},
                "output_tokens": output, "total_tokens": input + output,
            })
        };
        if self.is_streamed() && !is_whisper {
            let delta = json!({"type": "transcript.text.delta", "delta": text});
            return stream(&[delta, json!({"type": "transcript.text.done", "text": text, "usage": usage})], &usage);
        }
        ok(&json!({"text": text, "usage": usage}))
    }
}

fn stream(events: &[Value], usage: &Value) -> Response<Body> {
    let send = |event: &Value| {
        let kind = event["type"].as_str().unwrap_or_default();
        Step::Send(format!("event: {kind}\ndata: {event}\n\n").into())
    };
    reporting(body::events(events.iter().map(send).collect()), usage)
}

/// All 256 byte values, repeated.
pub(super) fn every_byte() -> Bytes {
    (0..=255).cycle().take(256 * 256).collect()
}
