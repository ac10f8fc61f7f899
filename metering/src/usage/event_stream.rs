//! Splits a stream into events ([server-sent events](https://html.spec.whatwg.org/multipage/server-sent-events.html)).
//!
//! ```text
//! event: response.completed⏎        optional
//! data: {"type":"response.completed",…}⏎
//! ⏎
//! ```
//!
//! A line ends with `\n` or `\r\n`; a lone `\r`, which no service sends, is white space here. An event that is not ended by an
//! empty line is not complete.

use memchr::memchr;

use super::{
    StreamEnd,
    data_event::{DATA, DataEvent},
    fields::Node,
    lexer::Lexer,
    needle,
    reader::Reader,
    stream_usage::StreamUsage,
};

/// Bytes of the longest event name that matters, with spaces.
const NAME_MAX: usize = 32;

const EVENT: &[u8] = b"event:";

/// The data that ends a stream of chat completions.
const DONE: &[u8] = b"[DONE]";

/// A position in a stream.
#[derive(Debug)]
pub(super) struct EventStream {
    line: Line,
    /// The first bytes of a line whose field is not clear, or the value of `event`.
    head: Vec<u8>,
    /// The end that the name of the event means.
    named_end: Option<StreamEnd>,
    /// Whether the event has a line of data.
    has_data: bool,
    /// How much of [`DONE`] the data has; `None` for other data.
    done: Option<usize>,
    lexer: Lexer,
    is_parsed: bool,
    reader: Reader,
    pub(super) usage: StreamUsage,
}

/// What the line is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Line {
    /// Not clear yet.
    Start,
    Data,
    Event,
    Ignored,
}

impl EventStream {
    pub(super) fn new() -> Self {
        Self {
            line: Line::Start,
            head: Vec::new(),
            named_end: None,
            has_data: false,
            done: Some(0),
            lexer: Lexer::default(),
            is_parsed: false,
            reader: Reader::new(Node::Event),
            usage: StreamUsage::default(),
        }
    }

    /// Reads the next piece.
    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            bytes = match self.line {
                Line::Start => match Some(bytes).filter(|_| self.is_at_event()).and_then(DataEvent::split) {
                    Some((event, rest)) => {
                        self.event(event.data, needle::has_usage(event.data));
                        rest
                    }
                    None => self.start(bytes),
                },
                Line::Data | Line::Event | Line::Ignored => self.rest_of_line(bytes),
            };
        }
    }

    /// Whether no byte of a line of data was read since the last event.
    pub(super) fn is_at_event(&self) -> bool {
        self.line == Line::Start && self.head.is_empty() && !self.has_data
    }

    /// Reads the data of a [`DataEvent`], which is not parsed if it cannot matter.
    pub(super) fn event(&mut self, data: &[u8], has_usage: bool) {
        self.has_data = true;
        if has_usage || self.usage.needs_identity() {
            self.parse(data);
        }
        self.match_done(data);
        self.dispatch();
    }

    /// Reads the first bytes of a line, up to the field's name.
    fn start<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        if self.head.is_empty() {
            if let Some(rest) = bytes.strip_prefix(DATA) {
                self.begin(Line::Data);
                return rest;
            }
            if let Some(rest) = bytes.strip_prefix(EVENT) {
                self.begin(Line::Event);
                return rest;
            }
        }
        let Some((byte, rest)) = bytes.split_first() else { return &[] };
        if *byte == b'\n' {
            if matches!(self.head.as_slice(), b"" | b"\r") {
                self.dispatch();
            }
            self.head.clear();
            return rest;
        }
        self.head.push(*byte);
        match self.head.as_slice() {
            DATA => self.begin(Line::Data),
            EVENT => self.begin(Line::Event),
            head if DATA.starts_with(head) || EVENT.starts_with(head) || head == b"\r" => {}
            _ => self.begin(Line::Ignored),
        }
        rest
    }

    /// The field of a line is clear.
    fn begin(&mut self, line: Line) {
        self.head.clear();
        self.line = line;
        if line == Line::Data {
            if self.has_data {
                // Lines of data are joined by a line feed.
                self.parse(b"\n");
                self.done = None;
            }
            self.has_data = true;
        }
    }

    fn rest_of_line<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let end = memchr(b'\n', bytes);
        let (piece, rest) = bytes.split_at_checked(end.unwrap_or(bytes.len())).unwrap_or_default();
        match self.line {
            Line::Data => {
                self.parse(piece);
                self.match_done(piece);
            }
            Line::Event => self.name(piece, end.is_some()),
            Line::Start | Line::Ignored => {}
        }
        if end.is_none() {
            return &[];
        }
        self.line = Line::Start;
        rest.get(1..).unwrap_or_default()
    }

    /// Reads a piece of the name of an event.
    fn name(&mut self, piece: &[u8], is_last: bool) {
        let end = |name: &[u8]| StreamEnd::from_event(name.trim_ascii()).filter(|_| name.len() <= NAME_MAX);
        if is_last && self.head.is_empty() {
            self.named_end = end(piece);
            return;
        }
        // One byte more than matters, so that a longer name is not cut to one that does.
        let room = NAME_MAX.saturating_add(1).saturating_sub(self.head.len());
        self.head.extend(piece.iter().take(room));
        if is_last {
            self.named_end = end(&self.head);
            self.head.clear();
        }
    }

    fn parse(&mut self, piece: &[u8]) {
        self.lexer.push(piece, &mut self.reader);
        self.is_parsed = true;
    }

    fn match_done(&mut self, piece: &[u8]) {
        for byte in piece {
            let Some(matched) = self.done else { return };
            let is_space = matches!(byte, b' ' | b'\t' | b'\r') && (matched == 0 || matched == DONE.len());
            self.done = match DONE.get(matched) {
                Some(next) if next == byte => Some(matched.saturating_add(1)),
                _ => Some(matched).filter(|_| is_space),
            };
        }
    }

    /// An event ends.
    fn dispatch(&mut self) {
        if self.has_data {
            if self.done == Some(DONE.len()) {
                self.usage.end(StreamEnd::Done);
            } else {
                self.usage.add(&self.reader.draft, self.lexer.is_complete());
            }
            if let Some(end) = self.named_end {
                self.usage.end(end);
            }
        }
        self.named_end = None;
        self.has_data = false;
        self.done = Some(0);
        if self.is_parsed {
            self.lexer.reset();
            self.reader.reset();
            self.is_parsed = false;
        }
    }
}
