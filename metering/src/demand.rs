//! What the JSON body of a request can use at most.
//!
//! # The fields that are read
//!
//! | endpoint | fields |
//! |---|---|
//! | all | those that name models ([`models::FIELDS`]), `stream` |
//! | chat completions, completions, responses | `stream_options.include_usage`, `service_tier`, `n`, `best_of`, `prediction`, `modalities`, `prompt_cache_options.{ttl,prewarm}`, `prompt_cache_retention`, `reasoning.{mode,context}`, `background`, `conversation`, `previous_response_id`, `max_tool_calls`, `tool_choice`, `tools[].{type,environment.type,execution}` |
//! | cap on the output | chat completions: the larger of `max_completion_tokens` and `max_tokens`; completions: `max_tokens`; responses: `max_output_tokens` |
//! | completions | `prompt`: the number of prompts |
//! | input | `instructions`, `messages[]` and `input[]`: `type`, `role`, `id`, `audio`, `encrypted_content`, those with content (`CONTENT` in `demand/input.rs`), and of their parts `type`, `image_url`, `file*`, `input_audio` |
//! | embeddings | `input`, `messages` |
//! | images | `n`, `size`, `quality`, `partial_images`, `output_format`, `image`, `images`, `mask` |
//! | speech | `input`: its characters; `stream_format` |
//! | forms | `n`, `size`, `quality`, `partial_images`, `output_format`, `response_format`, `stream`, `url`, files |
//!
//! # The options that are refused
//!
//! For a user whose limits need a bound: `REFUSED_FIELDS` in `demand/fields.rs`, and
//!
//! | option | where |
//! |---|---|
//! | a model beside the main one, unless it is the tool's that makes pictures | all |
//! | `background: true`, `reasoning.mode` other than `standard` | text |
//! | tools `mcp`, `code_interpreter`, `shell` unless `environment.type` is `local`, hosted ones in a namespace | text |
//! | any tool but functions and custom ones | chat completions |
//! | objects in `input`, which can have pictures | embeddings |
//! | `output_format` of `svg` and `gif` | images |
//! | `response_format` of `text`, `srt` and `vtt`: these responses have no usage | transcriptions |
//! | any `response_format` but `verbose_json`: only these responses have a duration | translations |
//! | JSON bodies | transcriptions, translations |
//!
//! # Input that the body does not show
//!
//! What is not known to be text of the body is hidden, and is as large as the model allows: items without a known `type`, items
//! with an id and without the content of their type (the id is a reference), `reasoning.context` of all turns, searches that have an id, other calls of hosted tools, files, audio of an earlier response, pictures
//! by URL, and pictures whose size cannot be read. Reasoning that has an id and no `encrypted_content` is counted apart.

mod draft;
mod fields;
mod input;
mod picture;
mod places;
mod text;
mod tools;
mod values;

pub(crate) use draft::Body;
pub(crate) use fields::{ONE_MODEL, advice, picture_format_advice};
pub(crate) use places::{EDITED, Members, Place, Places, cap_fields};
pub(crate) use values::{Count, word};

use sparekey_policy::{Endpoint, Stream};

use self::{
    draft::Draft,
    fields::{FIELDS, Scope, TEXTS},
    values::characters,
};
use crate::{
    json::{Reader, Result},
    models,
    param::Param,
};

/// Reads a whole body.
///
/// # Errors
///
/// The body is not JSON, another reader could read it in another way, or a field has another type than the API's.
pub(crate) fn read(endpoint: Endpoint, body: &[u8]) -> Result<Body> {
    let mut reader = Reader::new(body)?;
    let mut draft = Draft::new(endpoint);
    let start = reader.position().saturating_add(1);
    let mut is_empty = true;
    reader.object_with_null(Param::Root, &FIELDS, &mut |reader, param, field| {
        is_empty = false;
        match field {
            Some(field) => draft.read_member(reader, param, field),
            None => Ok(()),
        }
    })?;
    reader.end()?;
    draft.places.root = Some(Members { start, is_empty });
    Ok(draft.finish(body.len()))
}

impl Draft {
    /// Reads a member of the body, and where it stands.
    fn read_member(&mut self, reader: &mut Reader<'_>, param: Param<'_>, field: &'static str) -> Result<()> {
        let start = reader.position();
        let mut number = None;
        if reader.peek()? != b'n' {
            number = self.read_field(reader, param, field)?;
        }
        if let Some(place) = EDITED.iter().zip(&mut self.places.fields).find(|(name, _)| **name == field) {
            if reader.position() == start {
                reader.skip()?;
            }
            *place.1 = Some(Place { range: start..reader.position(), number });
        }
        Ok(())
    }

    /// Reads the value of a field that is not `null`. Returns it, if it is a number that can be edited.
    fn read_field(&mut self, reader: &mut Reader<'_>, param: Param<'_>, field: &'static str) -> Result<Option<u64>> {
        let endpoint = self.demand.endpoint;
        self.refuse_if(param, advice(endpoint, field));
        let is_text = endpoint.has_output_cap();
        match field {
            "stream" => {
                self.demand.stream = if reader.boolean(param)? { Stream::Yes } else { Stream::No };
            }
            "stream_format" if endpoint == Endpoint::Speech && reader.text(param)? == b"sse" => {
                self.demand.stream = Stream::Yes;
            }
            "tools" | "input" if !is_text => self.read_input(reader, param, field)?,
            "n" if is_text => self.n = Count::Choices.read(reader, param)?,
            "n" if Scope::Pictures.includes(endpoint) => self.n = Count::Pictures.read(reader, param)?,
            _ if models::FIELDS.contains(&field) && !["tools", "input"].contains(&field) => {
                models::read_field(&mut self.facts, reader, param, field)?;
            }
            _ if is_text => return self.read_text_field(reader, param, field),
            _ if Scope::Pictures.includes(endpoint) => self.read_picture_field(reader, param, field)?,
            _ => {}
        }
        Ok(None)
    }

    /// Reads `input` or `tools` of an endpoint without messages.
    fn read_input(&mut self, reader: &mut Reader<'_>, param: Param<'_>, field: &'static str) -> Result<()> {
        match (self.demand.endpoint, field) {
            (Endpoint::Speech, "input") => {
                self.demand.extras_mut().characters = characters(reader.text(param)?);
                Ok(())
            }
            (Endpoint::Embeddings, "input") => self.read_texts(reader, param),
            _ => models::read_field(&mut self.facts, reader, param, field),
        }
    }

    /// Reads texts or tokens: a value, a list, or a list of lists.
    fn read_texts(&mut self, reader: &mut Reader<'_>, param: Param<'_>) -> Result<()> {
        match reader.peek()? {
            b'{' => self.refuse(param, TEXTS),
            b'[' => reader.array(param, &mut |reader, param, _| self.read_texts(reader, param))?,
            _ => {}
        }
        Ok(())
    }

    fn read_picture_field(&mut self, reader: &mut Reader<'_>, param: Param<'_>, field: &'static str) -> Result<()> {
        match field {
            "size" => self.demand.extras_mut().picture_size = Some(word(reader.text(param)?)),
            "quality" => self.demand.extras_mut().picture_quality = Some(word(reader.text(param)?)),
            "partial_images" => {
                self.demand.extras_mut().partial_pictures = Count::PartialPictures.read(reader, param)?;
            }
            "output_format" => {
                let advice = picture_format_advice(reader.text(param)?);
                self.refuse_if(param, advice);
            }
            "image" | "images" if reader.peek()? == b'[' => reader.array(param, &mut |_, _, _| {
                self.add_picture(0);
                Ok(())
            })?,
            "image" | "images" | "mask" => self.add_picture(0),
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
