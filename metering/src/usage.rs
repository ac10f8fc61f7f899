//! Usage from the body of a response, which is read as it passes and never kept.
//!
//! The shapes, each in one line; `…` are fields that are skipped:
//!
//! ```text
//! chat completion      {"id":…,"model":…,"choices":[…],"usage":{FIGURES},"service_tier":…}
//! chat stream          data: {…,"choices":[…],"usage":null}                     each chunk
//!                      data: {…,"choices":[],"usage":{FIGURES}}                 the last one
//!                      data: [DONE]
//! Groq                 data: {…,"x_groq":{"usage":{FIGURES}}}                   the last one
//! response             {"id":…,"model":…,"service_tier":…,"output":[{"type":…}],"tools":[{"type":…}],
//!                       "tool_usage":{"image_gen":{FIGURES},"web_search":{"num_requests":…}},"usage":{FIGURES}}
//! response stream      event: response.completed
//!                      data: {"type":"response.completed","response":{…,"usage":{FIGURES}}}
//! embeddings, images   {"data":[…],"model":…,"usage":{FIGURES},"svg_usage":{"model":…,FIGURES}}
//! image stream         data: {"type":"image_generation.completed",…,"usage":{FIGURES}}     one per picture: added up
//! transcription        {"text":…,"usage":{FIGURES}}, {"text":…,"duration":…}
//! Anthropic            data: {"type":"message_start","message":{"id":…,"model":…,"usage":{FIGURES}}}
//!                      data: {"type":"message_delta","usage":{"output_tokens":…}}
//!
//! FIGURES              "prompt_tokens" or "input_tokens", "completion_tokens" or "output_tokens", "total_tokens",
//!                      "{prompt,input,completion,output}_token{,s}_details":{"cached_tokens":…,"audio_tokens":…,…},
//!                      "seconds" (transcriptions), "cost" (OpenRouter), "prompt_cache_hit_tokens" (DeepSeek),
//!                      "cache_{read,creation}_input_tokens" (Anthropic: not in "input_tokens")
//! ```
//!
//! - Objects of usage replace each other, because some services send the usage until now with each chunk.
//! - Anything doubtful is no usage: text that is not JSON or not complete, a figure that is negative, fractional, above 10⁹ or
//!   of another type, a figure that stands twice, a stream that broke off behind usage that was not the last.
//! - A field whose key has an escape is not recognized. No service writes one.
//! - The scanner keeps the names and figures, and at most 1 KiB of a token that arrives in pieces: less than 8 KiB in all.

mod data_event;
mod draft;
mod event_stream;
mod event_type;
mod fields;
mod figures;
mod lexer;
mod needle;
mod reader;
mod response_usage;
mod stream_filter;
mod stream_usage;
#[cfg(test)]
mod tests;
mod token;

pub use response_usage::{ModelTokens, PictureTool, ResponseIdentity, ResponseUsage};
pub use stream_filter::UsageEventFilter;

use self::{event_stream::EventStream, fields::Node, lexer::Lexer, reader::Reader};

/// The form of a response's body.
// Exhaustive: other forms have no usage.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ResponseForm {
    /// JSON.
    Json,
    /// Server-sent events.
    EventStream,
}

/// Reads the usage of a response from the pieces of its body.
#[derive(Debug)]
pub struct UsageScanner(Form);

#[derive(Debug)]
enum Form {
    Json(Box<(Lexer, Reader)>),
    EventStream(Box<EventStream>),
}

/// How a stream ended.
// Exhaustive: a caller distinguishes a stream that is complete from one that broke off.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StreamEnd {
    /// `[DONE]`.
    Done,
    /// `response.completed`, or Anthropic's `message_stop`.
    Completed,
    /// `response.incomplete`.
    Incomplete,
    /// `response.failed`.
    Failed,
}

impl ResponseForm {
    /// Returns the form that a value of `content-type` names; `None` for a form without usage.
    #[must_use]
    pub fn from_content_type(value: &[u8]) -> Option<Self> {
        let media_type = value.split(|byte| *byte == b';').next()?.trim_ascii();
        let is = |name: &str| media_type.eq_ignore_ascii_case(name.as_bytes());
        match () {
            () if is("application/json") => Some(Self::Json),
            () if is("text/event-stream") => Some(Self::EventStream),
            () => None,
        }
    }
}

impl UsageScanner {
    /// Starts before a body of this form.
    #[must_use]
    pub fn new(form: ResponseForm) -> Self {
        Self(match form {
            ResponseForm::Json => Form::Json(Box::new((Lexer::default(), Reader::new(Node::Body)))),
            ResponseForm::EventStream => Form::EventStream(Box::new(EventStream::new())),
        })
    }

    /// Reads the next piece of the body. The result does not depend on where the body is split.
    pub fn push(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            Form::Json(form) => {
                let (lexer, reader) = &mut **form;
                lexer.push(bytes, reader);
            }
            Form::EventStream(stream) => stream.push(bytes),
        }
    }

    /// Returns the stream, if an event begins with the next byte.
    fn stream_at_event(&mut self) -> Option<&mut EventStream> {
        match &mut self.0 {
            Form::EventStream(stream) => Some(&mut **stream).filter(|stream| stream.is_at_event()),
            Form::Json(_) => None,
        }
    }

    /// Returns the names that were read until now: of a stream from its first event on, of JSON after the body.
    #[must_use]
    pub fn identity(&self) -> &ResponseIdentity {
        match &self.0 {
            Form::Json(form) => &form.1.draft.identity,
            Form::EventStream(stream) => &stream.usage.identity,
        }
    }

    /// Returns how the stream ended; `None`: it did not, or is no stream.
    #[must_use]
    pub fn end(&self) -> Option<StreamEnd> {
        match &self.0 {
            Form::Json(_) => None,
            Form::EventStream(stream) => stream.usage.end,
        }
    }

    /// Returns the usage, after the whole body. `None`: the body has none, or it is not sure.
    #[must_use]
    pub fn finish(self) -> Option<ResponseUsage> {
        self.end_with(true)
    }

    /// Returns the usage of a body that broke off, or whose rest was not read. `None`: what follows could change it.
    #[must_use]
    pub fn finish_early(self) -> Option<ResponseUsage> {
        self.end_with(false)
    }

    fn end_with(self, is_whole: bool) -> Option<ResponseUsage> {
        match self.0 {
            Form::Json(form) => form.1.draft.usage().filter(|_| form.0.is_complete()),
            Form::EventStream(stream) => stream.usage.finish(is_whole),
        }
    }
}
