//! The values that a field can be set to.

use toml_edit::{Array, Value};

use super::Moment;

/// A new value of a field.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum NewValue {
    /// `"unlimited"`: lifts a default of `[limits]`.
    Unlimited,
    /// A whole number.
    Number(u32),
    /// `true` or `false`.
    Flag(bool),
    /// A text.
    Text(String),
    /// A list of texts.
    List(Vec<String>),
    /// A date or a time.
    Moment(Moment),
}

impl NewValue {
    pub(super) fn to_toml(&self) -> Value {
        match self {
            Self::Unlimited => "unlimited".into(),
            Self::Number(number) => i64::from(*number).into(),
            Self::Flag(flag) => (*flag).into(),
            Self::Text(text) => text.as_str().into(),
            Self::List(texts) => Value::Array(Array::from_iter(texts)),
            Self::Moment(moment) => moment.datetime().into(),
        }
    }
}
