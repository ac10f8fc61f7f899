//! The fields of endpoints whose output is text.

use sparekey_policy::{CacheTime, Endpoint};

use super::{
    draft::Draft,
    fields::LEAVE_OUT,
    input,
    places::{Members, cap_fields},
    tools,
    values::{Count, prompts, service_tier},
};
use crate::{
    json::{Names, Reader, Result},
    name,
    param::Param,
};

/// The values of `reasoning.context` with another input than the default's. After a turn without the reasoning of earlier ones,
/// its tokens no longer bound the history of the next turn, which may have it again.
const NO_EARLIER_TURNS: &[u8] = b"current_turn";
const DEFAULT_CONTEXT: &[u8] = b"auto";

impl Draft {
    /// Reads a field. Returns its value, if it is a number that can be edited.
    pub(super) fn read_text_field(
        &mut self,
        reader: &mut Reader<'_>,
        param: Param<'_>,
        field: &'static str,
    ) -> Result<Option<u64>> {
        match field {
            "max_completion_tokens" | "max_tokens" | "max_output_tokens" => {
                let tokens = reader.unsigned(param)?;
                if cap_fields(self.demand.endpoint).contains(&field) {
                    self.demand.output_cap = self.demand.output_cap.max(Some(tokens));
                }
                return Ok(Some(tokens));
            }
            "max_tool_calls" => {
                let calls = reader.unsigned(param)?;
                self.demand.extras_mut().tools.max_calls = Some(calls);
                return Ok(Some(calls));
            }
            "best_of" => self.best_of = Count::Candidates.read(reader, param)?,
            "stream_options" => self.read_stream_options(reader, param)?,
            "service_tier" => self.demand.service_tier = service_tier(reader.text(param)?),
            "messages" | "input" => input::read(self, reader, param)?,
            // A list of items could have pictures.
            "instructions" if reader.peek()? != b'"' => self.hide_input(param),
            "prompt" if self.demand.endpoint == Endpoint::Completions => self.prompts = prompts(reader, param)?,
            "prediction" => {
                let start = reader.position();
                reader.skip()?;
                let bytes = reader.position().saturating_sub(start);
                self.demand.extras_mut().prediction_bytes = bytes.try_into().unwrap_or(u64::MAX);
            }
            "modalities" => reader.array(param, &mut |reader, param, _| {
                if reader.text(param)? != b"text" {
                    self.demand.extras_mut().has_media_output = true;
                }
                Ok(())
            })?,
            "prompt_cache_options" => self.read_cache_options(reader, param)?,
            "prompt_cache_retention" if reader.text(param)? != b"in_memory" => {
                self.demand.extras_mut().cache_time = CacheTime::Longer;
            }
            "reasoning" => self.read_reasoning(reader, param)?,
            "background" => {
                let is_background = reader.boolean(param)?;
                self.refuse_if(param, Some(LEAVE_OUT).filter(|_| is_background));
            }
            "conversation" => self.hide_input(param),
            "previous_response_id" => match name::parse_json(reader.text(param)?) {
                Some(id) => self.demand.extras_mut().previous_response_id = Some(id),
                None => self.hide_input(param),
            },
            "tools" => tools::read(self, reader, param)?,
            "tool_choice" => tools::read_choice(self, reader, param)?,
            _ => {}
        }
        Ok(None)
    }

    fn read_stream_options(&mut self, reader: &mut Reader<'_>, param: Param<'_>) -> Result<()> {
        let start = reader.position().saturating_add(1);
        let mut is_empty = true;
        reader.object_with_null(param, const { &Names::new(&["include_usage"]) }, &mut |reader, param, field| {
            is_empty = false;
            if field.is_none() {
                return Ok(());
            }
            let start = reader.position();
            if reader.peek()? == b'n' {
                reader.skip()?;
            } else {
                self.asks_usage = reader.boolean(param)?;
            }
            self.places.include_usage = Some(start..reader.position());
            Ok(())
        })?;
        self.places.stream_options = Some(Members { start, is_empty });
        Ok(())
    }

    fn read_reasoning(&mut self, reader: &mut Reader<'_>, param: Param<'_>) -> Result<()> {
        reader.object(param, const { &Names::new(&["mode", "context"]) }, &mut |reader, param, field| {
            match field {
                Some("mode") if reader.text(param)? != b"standard" => self.refuse(param, LEAVE_OUT),
                Some("context") => match reader.text(param)? {
                    DEFAULT_CONTEXT => {}
                    NO_EARLIER_TURNS => self.refuse(param, LEAVE_OUT),
                    _ => self.hide_input(param),
                },
                _ => {}
            }
            Ok(())
        })
    }

    fn read_cache_options(&mut self, reader: &mut Reader<'_>, param: Param<'_>) -> Result<()> {
        reader.object(param, const { &Names::new(&["ttl", "prewarm"]) }, &mut |reader, _, field| {
            match field {
                Some("ttl") if reader.peek()? != b'"' || reader.string()? != b"30m" => {
                    self.demand.extras_mut().cache_time = CacheTime::Longer;
                }
                Some("prewarm") if reader.peek()? != b'f' => self.demand.extras_mut().is_prewarmed = true,
                _ => {}
            }
            Ok(())
        })
    }
}
