//! The types of events that matter.

use super::StreamEnd;

/// The type of an event: `type` of its data.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum EventType {
    /// A chunk of a chat completion has none.
    #[default]
    Absent,
    /// The last event of a response.
    End(StreamEnd),
    /// A picture is complete. Each one has the usage of its own.
    Picture,
    /// Usage that is complete.
    Done,
    /// Any other one.
    Other,
}

/// What must follow usage, so that it is complete.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Needs {
    #[default]
    Nothing,
    /// The end of a body that did not break off.
    EndOfBody,
    /// The event that ends a stream.
    EndEvent,
}

impl EventType {
    pub(super) fn parse(content: &[u8]) -> Self {
        match content {
            b"image_generation.completed" | b"image_edit.completed" => Self::Picture,
            b"transcript.text.done" | b"speech.audio.done" | b"message_delta" => Self::Done,
            other => StreamEnd::from_event(other).map_or(Self::Other, Self::End),
        }
    }

    /// Returns what must follow usage in an event of this type, so that it is complete.
    pub(super) fn needs(self) -> Needs {
        match self {
            Self::End(_) | Self::Done => Needs::Nothing,
            Self::Picture => Needs::EndOfBody,
            Self::Absent | Self::Other => Needs::EndEvent,
        }
    }
}

impl StreamEnd {
    /// Returns the end that an event of this name means.
    pub(super) fn from_event(name: &[u8]) -> Option<Self> {
        match name {
            b"response.completed" | b"message_stop" => Some(Self::Completed),
            b"response.incomplete" => Some(Self::Incomplete),
            b"response.failed" => Some(Self::Failed),
            _ => None,
        }
    }
}
