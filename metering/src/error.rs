//! Bodies of requests that cannot be used.

use std::borrow::Cow;

use sparekey_policy::BodyFailure;

/// Why a request that limits apply to is refused before it is sent.
///
/// The text is for the client: it says what to do, and contains nothing of the request but names of fields that
/// this crate reads.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// A `content-encoding` other than `identity`.
    #[error(
        "This proxy reads the body of this request, and cannot read a compressed one. Send it without \
             'Content-Encoding'."
    )]
    ContentEncoding,
    /// A body without `content-type`.
    #[error(
        "This request has a body, but no 'Content-Type'. Send 'Content-Type: application/json', or multipart/form-data \
             with its boundary where the route takes files."
    )]
    MissingContentType,
    /// More than one `content-type`.
    #[error("This request has more than one 'Content-Type'. Send one.")]
    RepeatedContentType,
    /// A `content-type` that is not `type/subtype` with valid parameters.
    #[error(
        "The header 'Content-Type' of this request is malformed. Send 'Content-Type: application/json', or \
             multipart/form-data with its boundary where the route takes files."
    )]
    MalformedContentType,
    /// A media type in which this route takes no body.
    #[error(
        "This route takes no body of this media type. Send 'Content-Type: application/json', or multipart/form-data \
             where the route takes files."
    )]
    MediaType,
    /// A charset other than UTF-8.
    #[error("The charset of this request is not supported. Send UTF-8.")]
    Charset,
    /// A missing or invalid boundary
    /// ([RFC 2046 §5.1.1](https://www.rfc-editor.org/rfc/rfc2046#section-5.1.1)).
    #[error(
        "The boundary in 'Content-Type' is missing or invalid. Send one boundary of 1 to 70 characters: letters, \
             digits, '-' and '_'."
    )]
    Boundary,

    /// A request without the body that its route needs.
    #[error("This request has no body. Send one.")]
    EmptyBody,
    /// A body that is not UTF-8.
    #[error("The body of this request is not UTF-8, at byte {at}. Encode it as UTF-8.")]
    Utf8 {
        /// The position of the first invalid byte, from 0.
        at: usize,
    },
    /// A body that is not JSON ([RFC 8259](https://www.rfc-editor.org/rfc/rfc8259)).
    #[error("The body of this request is not valid JSON, at byte {at}. Send valid JSON.")]
    Json {
        /// The position of the error, from 0.
        at: usize,
    },
    /// Arrays and objects in each other, too many levels.
    #[error("The body of this request is nested too deeply. Use at most 127 levels.")]
    TooDeep,
    /// More members of an object than any client sends.
    #[error("An object of this request has too many members. Send at most 100,000.")]
    TooManyMembers,
    /// A body that is not an object.
    #[error("The body of this request is not a JSON object. Send an object.")]
    NotAnObject,
    /// A key that stands twice in an object.
    #[error("The field '{param}' stands more than once in this request. Send it once.")]
    DuplicateField {
        /// The field.
        param: Cow<'static, str>,
    },
    /// A key that another reader may take for a field: it differs in case, or in the punctuation of a form's field.
    #[error("A field of this request is almost, but not exactly, '{param}'. Write it as '{param}', or leave it out.")]
    FieldSpelling {
        /// The field.
        param: Cow<'static, str>,
    },
    /// A key with an escape, or with a character that is not ASCII, in an object that this crate reads.
    #[error(
        "A key of this request has an escape or a character that is not ASCII. Write the names of fields as they \
             are documented."
    )]
    FieldName {
        /// The object with the key. Empty: the body itself.
        param: Cow<'static, str>,
    },
    /// A value of another type than the API's.
    #[error("The field '{param}' of this request has the wrong type. Send {expected}.")]
    Type {
        /// The field.
        param: Cow<'static, str>,
        /// The type, with its article.
        expected: &'static str,
    },
    /// A string that is no model's name.
    #[error(
        "The field '{param}' of this request is not the name of a model. Send 1 to 512 printable ASCII characters, \
             without escapes."
    )]
    ModelName {
        /// The field.
        param: Cow<'static, str>,
    },
    /// A field that can choose models in ways that are not read.
    #[error("'{param}' can choose another model. Leave it out.")]
    HiddenModels {
        /// The field.
        param: Cow<'static, str>,
    },
    /// More names than any client sends.
    #[error("This request names too many models. Name at most 256.")]
    TooManyModels,
    /// More tools than any client sends.
    #[error("This request has too many tools. Send at most 1,024.")]
    TooManyTools,

    /// A body that is not `multipart/form-data`
    /// ([RFC 7578](https://www.rfc-editor.org/rfc/rfc7578)).
    #[error("The body of this request is not valid multipart/form-data: {0}.")]
    Multipart(&'static str),
    /// A field that is read in JSON only.
    #[error(
        "The field '{param}' cannot be sent as multipart/form-data through this proxy. Send JSON, or leave it out."
    )]
    JsonOnly {
        /// The field.
        param: Cow<'static, str>,
    },

    /// A query whose `model` cannot be read in one way only.
    #[error(
        "The query of this request names its model in an ambiguous way. Send exactly one parameter 'model', and no \
             ';' beside it."
    )]
    QueryModel,
    /// A name in a path or query that is no model's name.
    #[error("The URL of this request does not name a model. Percent-encode the name once.")]
    UrlModel,
}

impl BodyError {
    /// Returns the field to blame: `error.param` of OpenAI's error envelope.
    #[must_use]
    pub fn param(&self) -> Option<&str> {
        let param = match self {
            Self::DuplicateField { param }
            | Self::FieldSpelling { param }
            | Self::FieldName { param }
            | Self::Type { param, .. }
            | Self::ModelName { param }
            | Self::HiddenModels { param }
            | Self::JsonOnly { param } => param,
            Self::QueryModel | Self::UrlModel => "model",
            Self::ContentEncoding
            | Self::MissingContentType
            | Self::RepeatedContentType
            | Self::MalformedContentType
            | Self::MediaType
            | Self::Charset
            | Self::Boundary
            | Self::EmptyBody
            | Self::Utf8 { .. }
            | Self::Json { .. }
            | Self::TooDeep
            | Self::TooManyMembers
            | Self::NotAnObject
            | Self::TooManyModels
            | Self::TooManyTools
            | Self::Multipart(_) => return None,
        };
        Some(param).filter(|param| !param.is_empty())
    }
}

impl From<BodyError> for BodyFailure {
    fn from(error: BodyError) -> Self {
        let message = error.to_string();
        if error == BodyError::ContentEncoding {
            return Self::Encoding(message);
        }
        Self::Invalid { message, param: error.param().map(str::to_owned) }
    }
}
