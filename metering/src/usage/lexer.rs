//! Reads JSON ([RFC 8259](https://www.rfc-editor.org/rfc/rfc8259)) that arrives in pieces, without building a tree.
//!
//! The whole text is validated, but for UTF-8 in strings and lone surrogates in escapes, which many services write. A
//! [`Sink`] chooses what is read; all else is skipped. A token that is split is copied, up to [`TOKEN_MAX`](super::token::TOKEN_MAX) bytes.

use super::token::Token;
use crate::json::plain_prefix;

/// Arrays and objects in each other. `serde_json` has the same limit.
const MAX_DEPTH: u32 = 127;

/// Takes what is read.
pub(super) trait Sink {
    /// A key of an object that is read. Returns whether its value is read.
    fn key(&mut self, key: &[u8]) -> bool;
    /// An object or array begins, as the value of the last key, as an item, or as the whole text. Returns whether its
    /// content is read.
    fn open(&mut self, is_object: bool) -> bool;
    /// An object or array ends that is read.
    fn close(&mut self);
    /// Another value.
    fn scalar(&mut self, scalar: Scalar<'_>);
}

/// A value without inner values.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Scalar<'a> {
    /// The content as it was sent, escapes included. `None`: it is too long.
    Text(Option<&'a [u8]>),
    /// As it was sent. `None`: it is too long.
    Number(Option<&'a [u8]>),
    Null,
    Boolean,
}

/// A position in a text.
///
/// A token that is complete in its piece is read at once; the fields behind `state` are for those that are not.
#[derive(Debug)]
pub(super) struct Lexer {
    /// The open arrays and objects, the innermost in the lowest bit: 1 for an object.
    kinds: u128,
    depth: u32,
    /// How many of them are read. All outer ones of one that is read are read.
    read_depth: u32,
    /// Whether the value of the last key is read.
    is_key_read: bool,
    state: State,
    escape: Escape,
    number: Number,
    /// The rest of a literal.
    literal: &'static [u8],
    token: Token,
}

/// What comes next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Value,
    /// The first item, or `]`.
    FirstItem,
    /// The first key, or `}`.
    FirstKey,
    Key,
    Colon,
    /// A comma, a closing bracket, or the end of the text.
    After,
    /// The rest of a key.
    KeyText,
    /// The rest of a string.
    ValueText,
    Number,
    Literal,
    Invalid,
}

/// A position in a string.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Escape {
    None,
    /// After the backslash.
    Begun,
    /// Hexadecimal digits that are missing.
    Digits(u8),
}

/// The last part of a number that was read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Number {
    Minus,
    /// A zero, which no digit may follow.
    Zero,
    Integer,
    Point,
    Fraction,
    Exponent,
    Sign,
    ExponentDigits,
}

impl Default for Lexer {
    fn default() -> Self {
        Self {
            kinds: 0,
            depth: 0,
            read_depth: 0,
            is_key_read: false,
            state: State::Value,
            escape: Escape::None,
            number: Number::Minus,
            literal: &[],
            token: Token::default(),
        }
    }
}

impl Lexer {
    /// Starts with a new text.
    pub(super) fn reset(&mut self) {
        (self.kinds, self.depth, self.read_depth) = (0, 0, 0);
        (self.state, self.escape) = (State::Value, Escape::None);
        self.token.clear();
    }

    /// Starts within an object of depth 1, behind a value. Nothing is read.
    pub(super) fn after_member(&mut self) {
        self.reset();
        (self.kinds, self.depth, self.state) = (1, 1, State::After);
    }

    /// Whether the text is one complete value. A number at the end of the text is none: no response is one.
    pub(super) fn is_complete(&self) -> bool {
        self.state == State::After && self.depth == 0
    }

    /// Reads the next piece.
    pub(super) fn push(&mut self, mut bytes: &[u8], sink: &mut impl Sink) {
        while let Some((byte, rest)) = bytes.split_first() {
            bytes = match (self.state, byte) {
                (State::KeyText | State::ValueText, _) => self.text(bytes, sink),
                (State::Number, _) => self.number(bytes, sink),
                (State::Literal, _) => self.literal(bytes, sink),
                (State::FirstKey | State::Key, b'"') => {
                    self.state = State::KeyText;
                    self.text(rest, sink)
                }
                (State::Colon, b':') => {
                    self.state = State::Value;
                    rest
                }
                (State::After, b',') if self.depth > 0 => {
                    self.state = if self.is_in_object() { State::Key } else { State::Value };
                    rest
                }
                (State::After | State::FirstKey, b'}') if self.depth > 0 && self.is_in_object() => {
                    self.close(sink);
                    rest
                }
                (State::After | State::FirstItem, b']') if self.depth > 0 && !self.is_in_object() => {
                    self.close(sink);
                    rest
                }
                (State::Value | State::FirstItem, b'"') => {
                    self.state = State::ValueText;
                    self.text(rest, sink)
                }
                (State::Value | State::FirstItem, b'{' | b'[') => {
                    self.open(*byte == b'{', sink);
                    rest
                }
                (State::Invalid, _) => return,
                (_, b' ' | b'\n' | b'\r' | b'\t') => rest,
                (State::Value | State::FirstItem, _) => self.begin_scalar(*byte, rest, sink),
                (State::FirstKey | State::Key | State::Colon | State::After, _) => {
                    self.state = State::Invalid;
                    return;
                }
            };
        }
    }

    fn is_in_object(&self) -> bool {
        self.kinds & 1 == 1
    }

    /// Whether the key or value at hand is in a container that is read.
    fn is_reading(&self) -> bool {
        self.depth == self.read_depth
    }

    /// Whether the value at hand is read.
    fn reads_value(&self) -> bool {
        self.is_reading() && (self.is_key_read || !self.is_in_object())
    }

    fn open(&mut self, is_object: bool, sink: &mut impl Sink) {
        if self.depth >= MAX_DEPTH {
            self.state = State::Invalid;
            return;
        }
        let is_read = self.reads_value() && sink.open(is_object);
        self.kinds = self.kinds << 1 | u128::from(is_object);
        self.depth = self.depth.saturating_add(1);
        if is_read {
            self.read_depth = self.depth;
        }
        self.state = if is_object { State::FirstKey } else { State::FirstItem };
    }

    fn close(&mut self, sink: &mut impl Sink) {
        if self.is_reading() {
            sink.close();
            self.read_depth = self.read_depth.saturating_sub(1);
        }
        self.kinds >>= 1;
        self.depth = self.depth.saturating_sub(1);
        self.state = State::After;
    }

    fn begin_scalar<'a>(&mut self, byte: u8, rest: &'a [u8], sink: &mut impl Sink) -> &'a [u8] {
        let literal: &[u8] = match byte {
            b't' => b"rue",
            b'f' => b"alse",
            b'n' => b"ull",
            _ => {
                self.number = match byte {
                    b'-' => Number::Minus,
                    b'0' => Number::Zero,
                    b'1'..=b'9' => Number::Integer,
                    _ => {
                        self.state = State::Invalid;
                        return &[];
                    }
                };
                self.state = State::Number;
                if self.reads_value() {
                    self.token.append(&[byte]);
                }
                return self.number(rest, sink);
            }
        };
        self.literal = literal;
        self.state = State::Literal;
        self.literal(rest, sink)
    }

    /// Reads a string up to its end, or to that of the piece. Returns what follows.
    fn text<'a>(&mut self, bytes: &'a [u8], sink: &mut impl Sink) -> &'a [u8] {
        let is_key = self.state == State::KeyText;
        let is_read = if is_key { self.is_reading() } else { self.reads_value() };
        let mut at = 0_usize;
        let mut escape = self.escape;
        loop {
            if escape == Escape::None {
                at = at.saturating_add(plain_prefix(bytes.get(at..).unwrap_or_default()));
            }
            let Some(byte) = bytes.get(at) else {
                if is_read {
                    self.token.append(bytes);
                }
                self.escape = escape;
                return &[];
            };
            escape = match (escape, byte) {
                (Escape::None, b'"') => break,
                (Escape::None, b'\\') => Escape::Begun,
                (Escape::Begun, b'u') => Escape::Digits(4),
                (Escape::Begun, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Escape::None,
                (Escape::Digits(1), digit) if digit.is_ascii_hexdigit() => Escape::None,
                (Escape::Digits(missing), digit) if digit.is_ascii_hexdigit() => {
                    Escape::Digits(missing.saturating_sub(1))
                }
                (Escape::None | Escape::Begun | Escape::Digits(_), _) => {
                    self.state = State::Invalid;
                    return &[];
                }
            };
            at = at.saturating_add(1);
        }
        let (last, rest) = bytes.split_at_checked(at).unwrap_or_default();
        self.escape = Escape::None;
        self.state = if is_key { State::Colon } else { State::After };
        if is_read {
            let content = self.token.complete(last);
            if is_key {
                self.is_key_read = content.is_some_and(|key| sink.key(key));
            } else {
                sink.scalar(Scalar::Text(content));
            }
            self.token.clear();
        }
        rest.get(1..).unwrap_or_default()
    }

    /// Reads a number behind its first byte, up to the first byte that is no part of it.
    fn number<'a>(&mut self, bytes: &'a [u8], sink: &mut impl Sink) -> &'a [u8] {
        let mut number = self.number;
        let mut end = None;
        for (at, byte) in bytes.iter().enumerate() {
            number = match (number, byte) {
                (Number::Integer | Number::Minus, b'1'..=b'9') | (Number::Integer, b'0') => Number::Integer,
                (Number::Fraction | Number::Point, b'0'..=b'9') => Number::Fraction,
                (Number::Exponent | Number::Sign | Number::ExponentDigits, b'0'..=b'9') => Number::ExponentDigits,
                (Number::Minus, b'0') => Number::Zero,
                (Number::Zero | Number::Integer, b'.') => Number::Point,
                (Number::Zero | Number::Integer | Number::Fraction, b'e' | b'E') => Number::Exponent,
                (Number::Exponent, b'+' | b'-') => Number::Sign,
                (Number::Zero | Number::Integer | Number::Fraction | Number::ExponentDigits, _) => {
                    end = Some(at);
                    break;
                }
                (Number::Minus | Number::Point | Number::Exponent | Number::Sign, _) => {
                    self.state = State::Invalid;
                    return &[];
                }
            };
        }
        let is_read = self.reads_value();
        let (last, rest) = bytes.split_at_checked(end.unwrap_or(bytes.len())).unwrap_or_default();
        if end.is_none() {
            if is_read {
                self.token.append(last);
            }
            self.number = number;
            return &[];
        }
        if is_read {
            sink.scalar(Scalar::Number(self.token.complete(last)));
            self.token.clear();
        }
        self.state = State::After;
        rest
    }

    fn literal<'a>(&mut self, bytes: &'a [u8], sink: &mut impl Sink) -> &'a [u8] {
        let length = self.literal.len().min(bytes.len());
        let (read, unread) = bytes.split_at_checked(length).unwrap_or_default();
        let Some(missing) = self.literal.strip_prefix(read) else {
            self.state = State::Invalid;
            return &[];
        };
        if missing.is_empty() {
            self.state = State::After;
            if self.reads_value() {
                // Of the three, only `null` ends with an l.
                sink.scalar(if self.literal.ends_with(b"l") { Scalar::Null } else { Scalar::Boolean });
            }
        }
        self.literal = missing;
        unread
    }
}
