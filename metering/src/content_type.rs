//! Which form the body of a request has.

use crate::{
    error::BodyError,
    parameters::{self, Parameter},
};

/// The form of a body, from the head of its request.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum BodyForm {
    /// The head has no `content-type`: there must be no body.
    Absent,
    /// `application/json` in UTF-8.
    Json,
    /// `multipart/form-data`.
    Multipart(Boundary),
}

/// A valid boundary: 1 to 70 characters
/// ([RFC 2046 §5.1.1](https://www.rfc-editor.org/rfc/rfc2046#section-5.1.1)).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Boundary(Box<str>);

impl BodyForm {
    /// Reads all values of `content-type` and of `content-encoding`, so that a body of another form is refused before it is
    /// read. A request without a body has the form [`BodyForm::Absent`], whatever its head says.
    ///
    /// # Errors
    ///
    /// [`BodyError::ContentEncoding`], [`BodyError::RepeatedContentType`], [`BodyError::MalformedContentType`],
    /// [`BodyError::MediaType`], [`BodyError::Charset`] and [`BodyError::Boundary`].
    pub fn from_headers<'h>(
        content_types: impl IntoIterator<Item = &'h [u8]>,
        content_encodings: impl IntoIterator<Item = &'h [u8]>,
    ) -> Result<Self, BodyError> {
        if content_encodings.into_iter().any(|encoding| !encoding.trim_ascii().eq_ignore_ascii_case(b"identity")) {
            return Err(BodyError::ContentEncoding);
        }
        let mut content_types = content_types.into_iter();
        match (content_types.next(), content_types.next()) {
            (None, _) => Ok(Self::Absent),
            // As nearly all clients write it.
            (Some(b"application/json"), None) => Ok(Self::Json),
            (Some(content_type), None) => Self::parse(content_type),
            (Some(_), Some(_)) => Err(BodyError::RepeatedContentType),
        }
    }

    fn parse(content_type: &[u8]) -> Result<Self, BodyError> {
        let text = std::str::from_utf8(content_type).map_err(|_| BodyError::MalformedContentType)?;
        let (media_type, parameters) = parameters::parse(text).ok_or(BodyError::MalformedContentType)?;
        let (main_type, subtype) = media_type.split_once('/').ok_or(BodyError::MalformedContentType)?;
        if !parameters::is_token(main_type) || !parameters::is_token(subtype) {
            return Err(BodyError::MalformedContentType);
        }
        if !is_utf8(&parameters) {
            return Err(BodyError::Charset);
        }
        if media_type.eq_ignore_ascii_case("application/json") {
            Ok(Self::Json)
        } else if media_type.eq_ignore_ascii_case("multipart/form-data") {
            Boundary::find(&parameters).map(Self::Multipart).ok_or(BodyError::Boundary)
        } else {
            Err(BodyError::MediaType)
        }
    }
}

/// Whether there is no charset, or one that is UTF-8. A name that begins with `charset*` has another encoding
/// ([RFC 2231](https://www.rfc-editor.org/rfc/rfc2231)).
fn is_utf8(parameters: &[Parameter<'_>]) -> bool {
    let mut charsets = named(parameters, "charset");
    let is_utf8 = |charset: &Parameter<'_>| {
        charset.name.eq_ignore_ascii_case("charset") && charset.value.eq_ignore_ascii_case("utf-8")
    };
    charsets.next().is_none_or(is_utf8) && charsets.next().is_none()
}

/// The parameters of a name, and of its parts and encodings in RFC 2231, such as `charset*0`.
fn named<'p, 'a>(parameters: &'p [Parameter<'a>], name: &'p str) -> impl Iterator<Item = &'p Parameter<'a>> {
    parameters.iter().filter(move |parameter| {
        let base = parameter.name.split('*').next().unwrap_or_default();
        base.eq_ignore_ascii_case(name)
    })
}

impl Boundary {
    /// Returns the delimiter without its line end: `--` and the boundary.
    pub(crate) fn delimiter(&self) -> Vec<u8> {
        [b"--", self.0.as_bytes()].concat()
    }

    fn find(parameters: &[Parameter<'_>]) -> Option<Self> {
        let mut boundaries = named(parameters, "boundary");
        let (Some(Parameter { name, value }), None) = (boundaries.next(), boundaries.next()) else { return None };
        let is_valid = name.eq_ignore_ascii_case("boundary")
            && (1..=70).contains(&value.len())
            && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte))
            && !value.ends_with(' ');
        is_valid.then(|| Self((*value).into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(content_type: &str) -> Result<BodyForm, BodyError> {
        BodyForm::from_headers([content_type.as_bytes()], [])
    }

    #[test]
    fn json() {
        let media_type = Err(BodyError::MediaType);
        for (content_type, expected) in [
            ("application/json", Ok(BodyForm::Json)),
            ("Application/JSON;charset=UTF-8", Ok(BodyForm::Json)),
            ("application/json; charset=\"utf-8\"", Ok(BodyForm::Json)),
            ("application/json; profile=x", Ok(BodyForm::Json)),
            ("application/json; charset=utf-16", Err(BodyError::Charset)),
            ("application/json; charset=utf-8; charset=utf-8", Err(BodyError::Charset)),
            ("application/json; charset=utf-8; Charset=utf-7", Err(BodyError::Charset)),
            ("application/json; charset*=utf-8", Err(BodyError::Charset)),
            ("application/json; charset*0=utf-; charset*1=7", Err(BodyError::Charset)),
            ("application/json, application/json", Err(BodyError::MalformedContentType)),
            ("application/json;", Err(BodyError::MalformedContentType)),
            ("application /json", Err(BodyError::MalformedContentType)),
            ("application/json charset=utf-8", Err(BodyError::MalformedContentType)),
            ("json", Err(BodyError::MalformedContentType)),
            ("", Err(BodyError::MalformedContentType)),
            ("/", Err(BodyError::MalformedContentType)),
            ("application/json\u{e9}", Err(BodyError::MalformedContentType)),
            ("application/jsonl", media_type.clone()),
            ("application/problem+json", media_type.clone()),
            ("text/json", media_type.clone()),
            ("application/x-www-form-urlencoded", media_type.clone()),
            ("application/sdp", media_type),
        ] {
            assert_eq!(parse(content_type), expected, "{content_type}");
        }
    }

    /// Without a valid media type it is unknown which form of body the client wants to send.
    #[test]
    fn each_remedy_names_both_forms() {
        let malformed = parse("multipart/form-data; boundary=").unwrap_err();
        for error in [malformed, BodyError::MissingContentType, BodyError::MediaType] {
            let text = error.to_string();
            assert!(["application/json", "multipart/form-data"].iter().all(|form| text.contains(form)), "{text}");
        }
    }

    #[test]
    fn boundaries() {
        let longest = "b".repeat(70);
        for boundary in ["x", "--a-_.+'", longest.as_str()] {
            let expected = Ok(BodyForm::Multipart(Boundary(boundary.into())));
            assert_eq!(parse(&format!("multipart/form-data; boundary={boundary}")), expected);
            assert_eq!(parse(&format!("Multipart/Form-Data; Boundary=\"{boundary}\"; charset=utf-8")), expected);
        }
        assert!(parse("multipart/form-data; boundary=\"a b:(=)?,/\"").is_ok());
        for parameters in [
            "",
            "; boundary=\"\"",
            "; boundary=\"a \"",
            &format!("; boundary={longest}b"),
            "; boundary=a!b",
            "; boundary=\"a@b\"",
            "; boundary=a; boundary=b",
            "; boundary=a; BOUNDARY=a",
            "; boundary*=a",
            "; boundary=a; boundary*0=b",
        ] {
            assert_eq!(parse(&format!("multipart/form-data{parameters}")), Err(BodyError::Boundary), "{parameters}");
        }
        for parameters in ["; boundary=a:b", "; boundary=\"a\\b\"", "; boundary", "; boundary="] {
            let content_type = format!("multipart/form-data{parameters}");
            assert_eq!(parse(&content_type), Err(BodyError::MalformedContentType), "{parameters}");
        }
    }

    #[test]
    fn header_lines() {
        let json = &b"application/json"[..];
        for (types, encodings, expected) in [
            (&[][..], &[][..], Ok(BodyForm::Absent)),
            (&[json], &[], Ok(BodyForm::Json)),
            (&[json], &[&b"identity"[..]], Ok(BodyForm::Json)),
            (&[json], &[b" Identity "], Ok(BodyForm::Json)),
            (&[json, json], &[], Err(BodyError::RepeatedContentType)),
            (&[json], &[b"gzip"], Err(BodyError::ContentEncoding)),
            (&[json], &[b""], Err(BodyError::ContentEncoding)),
            (&[json], &[b"identity", b"br"], Err(BodyError::ContentEncoding)),
            (&[json], &[b"identity, gzip"], Err(BodyError::ContentEncoding)),
            (&[b"\xff"], &[], Err(BodyError::MalformedContentType)),
        ] {
            let form = BodyForm::from_headers(types.iter().copied(), encodings.iter().copied());
            assert_eq!(form, expected, "{types:?} {encodings:?}");
        }
    }
}
