//! The usage of a stream, from its events.

use super::{
    ResponseIdentity, ResponseUsage, StreamEnd,
    draft::Draft,
    event_type::{EventType, Needs},
};

/// Events in which the model is searched. Azure's first one names none; streams of transcriptions never do.
const IDENTITY_EVENTS: u8 = 8;

/// What the events had until now.
#[derive(Debug, Default)]
pub(super) struct StreamUsage {
    pub(super) identity: ResponseIdentity,
    pub(super) end: Option<StreamEnd>,
    events: u8,
    usage: Option<ResponseUsage>,
    /// What must follow the usage.
    needs: Needs,
    /// Whether an event had usage that is not as any service writes it.
    is_invalid: bool,
}

impl StreamUsage {
    /// Whether an event is read for its model only.
    pub(super) fn needs_identity(&self) -> bool {
        self.identity.model.is_none() && self.events < IDENTITY_EVENTS
    }

    /// Adds the event that ends the stream.
    pub(super) fn end(&mut self, end: StreamEnd) {
        self.end = Some(end);
    }

    /// Adds an event with data. `is_valid`: the data is JSON.
    pub(super) fn add(&mut self, draft: &Draft, is_valid: bool) {
        let needs_identity = self.needs_identity();
        self.events = self.events.saturating_add(1);
        if is_valid && (needs_identity || draft.has_usage()) {
            self.identity.update(&draft.identity);
        }
        if !draft.has_usage() {
            return;
        }
        let Some(usage) = draft.usage().filter(|_| is_valid) else {
            self.is_invalid = true;
            return;
        };
        if let EventType::End(end) = draft.event_type {
            self.end = Some(end);
        }
        let is_last_chunk = draft.is_choices_empty == Some(true);
        self.needs = if is_last_chunk { Needs::Nothing } else { draft.event_type.needs() };
        self.usage = Some(match self.usage.take() {
            Some(earlier) if draft.event_type == EventType::Picture => usage.plus(&earlier),
            Some(earlier) if draft.is_output_only() => usage.with_input_of(&earlier),
            Some(_) | None => usage,
        });
    }

    /// Returns the usage of the stream.
    pub(super) fn finish(self, is_whole: bool) -> Option<ResponseUsage> {
        let is_complete = match self.needs {
            Needs::Nothing => true,
            Needs::EndOfBody => is_whole || self.end.is_some(),
            Needs::EndEvent => self.end.is_some(),
        };
        let usage = self.usage.filter(|_| is_complete && !self.is_invalid)?;
        Some(ResponseUsage { identity: self.identity, ..usage })
    }
}
