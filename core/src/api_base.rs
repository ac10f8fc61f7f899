//! `API_BASE`: the base URL of the upstream.

use std::fmt;

use bytes::Bytes;
use http::uri::{self, Authority, PathAndQuery, Scheme, Uri};

use crate::{path, percent, private_address::is_private_address};

/// The host of [Cloudflare's AI Gateway](https://developers.cloudflare.com/ai-gateway/usage/providers/openai/).
const AI_GATEWAY: &str = "gateway.ai.cloudflare.com";
/// The host of [OpenAI's API](https://platform.openai.com/docs/api-reference/introduction).
const OPENAI: &str = "api.openai.com";

/// Ends of URLs that owners copy from an example of a request.
const ENDPOINTS: [&str; 6] =
    ["/completions", "/embeddings", "/images/generations", "/messages", "/models", "/responses"];
/// Names that no public host has
/// ([RFC 6761](https://www.rfc-editor.org/rfc/rfc6761), [RFC 6762](https://www.rfc-editor.org/rfc/rfc6762),
/// [RFC 8375](https://www.rfc-editor.org/rfc/rfc8375), ICANN's `internal`), and those of many home routers.
const PRIVATE_NAMES: [&str; 6] = [".localhost", ".local", ".internal", ".home.arpa", ".lan", ".svc"];

/// The upstream's origin, and a path without a trailing slash.
#[derive(Clone, Debug)]
pub struct ApiBase {
    scheme: Scheme,
    authority: Authority,
    path: String,
}

/// Why `API_BASE` is invalid.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ApiBaseError {
    /// Not an absolute URL.
    #[error("is not an absolute URL such as https://api.openai.com/v1")]
    NotAUrl,
    /// A scheme other than http and https.
    #[error("must begin with https:// or http://")]
    Scheme,
    /// A user name or a password before the host
    /// ([RFC 9110 §4.2.4](https://www.rfc-editor.org/rfc/rfc9110#section-4.2.4)).
    #[error("must not contain a user or password (the part before @); the key belongs in OPENAI_API_KEY")]
    Userinfo,
    /// A `?`.
    #[error("must not have a query (the part after ?)")]
    Query,
    /// A `#`.
    #[error("must not have a fragment (the part after #)")]
    Fragment,
    /// The URL of one endpoint.
    #[error("ends with an endpoint, which clients append; remove it")]
    Endpoint,
    /// Plain HTTP to OpenAI or an AI Gateway.
    #[error("would send the API key unencrypted; begin it with https://")]
    PlainHttp,
    /// A path that could resolve to another one.
    #[error("has a path with a '.' or '..' segment, a backslash or a control character")]
    Path,
}

impl ApiBase {
    /// Parses the setting. A URL without a path means `/v1`.
    ///
    /// # Errors
    /// [`ApiBaseError`], which never contains the text: it may contain a password.
    // Not inlined: a Worker's runtime compiles `Config::read` faster in parts (0.5 ms of the load).
    #[inline(never)]
    pub fn parse(text: &str) -> Result<Self, ApiBaseError> {
        if text.contains('#') {
            return Err(ApiBaseError::Fragment);
        }
        let parts = text.parse::<Uri>().map_err(|_| ApiBaseError::NotAUrl)?.into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
            return Err(ApiBaseError::NotAUrl);
        };
        if scheme != Scheme::HTTP && scheme != Scheme::HTTPS {
            return Err(ApiBaseError::Scheme);
        }
        if authority.as_str().contains('@') {
            return Err(ApiBaseError::Userinfo);
        }
        // `http` accepts a colon without a port, and a port above 65535.
        let port = authority.as_str().strip_prefix(authority.host()).unwrap_or_default();
        if authority.host().is_empty() || !(port.is_empty() || authority.port_u16().is_some()) {
            return Err(ApiBaseError::NotAUrl);
        }
        let path = parts.path_and_query.unwrap_or(PathAndQuery::from_static("/"));
        if path.query().is_some() {
            return Err(ApiBaseError::Query);
        }
        let decoded = percent::decode_fully(path.path().as_bytes());
        if !path::is_unambiguous(decoded.as_deref().unwrap_or(path.path().as_bytes())) {
            return Err(ApiBaseError::Path);
        }
        let path = match path.path().trim_end_matches('/') {
            "" => "/v1",
            given => given,
        };
        if ENDPOINTS.iter().any(|endpoint| path.ends_with(endpoint)) {
            return Err(ApiBaseError::Endpoint);
        }
        let base = Self { scheme, authority, path: path.to_owned() };
        let needs_tls = base.is_openai_or_gateway();
        if needs_tls && !base.is_https() { Err(ApiBaseError::PlainHttp) } else { Ok(base) }
    }

    /// Appends a path and a query to the base; both keep every byte.
    ///
    /// The URL is built from its parts: parsing a joined string could move the path out of the base.
    pub(crate) fn join(&self, relative_path: &str, query: Option<&str>) -> Option<Uri> {
        let query = query.map(|query| ["?", query]).unwrap_or_default().concat();
        let target = [&self.path, relative_path, &query].concat();
        self.with_target(PathAndQuery::from_maybe_shared(Bytes::from(target)).ok()?)
    }

    /// Moves the target of a request to the base. Mostly the paths are the same, so that nothing is copied.
    pub(crate) fn rebase(&self, target: &Uri, relative_path: &str) -> Option<Uri> {
        let is_same = target.path().strip_prefix(self.path.as_str()) == Some(relative_path);
        match target.path_and_query().filter(|_| is_same) {
            Some(target) => self.with_target(target.clone()),
            None => self.join(relative_path, target.query()),
        }
    }

    fn with_target(&self, target: PathAndQuery) -> Option<Uri> {
        let mut parts = uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(target);
        Uri::from_parts(parts).ok()
    }

    /// Removes the base from an absolute URL or an absolute path; the rest is a path such as `/files/1`. `None` outside
    /// the base.
    pub(crate) fn strip_base<'a>(&self, location: &'a str) -> Option<&'a str> {
        let path = if location.starts_with('/') && !location.starts_with("//") {
            location
        } else {
            let (scheme, rest) = location.split_once("://")?;
            let end = rest.find(['/', '?', '#'])?;
            let (authority, path) = rest.split_at_checked(end)?;
            let is_same_origin = scheme.eq_ignore_ascii_case(self.scheme.as_str())
                && self.normalized(authority) == self.normalized(self.authority.as_str());
            is_same_origin.then_some(path)?
        };
        path.strip_prefix(self.path.as_str()).filter(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#']))
    }

    /// Returns whether the upstream uses TLS.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    /// Whether the host is Cloudflare's AI Gateway.
    pub(crate) fn is_ai_gateway(&self) -> bool {
        self.authority.host().eq_ignore_ascii_case(AI_GATEWAY)
    }

    /// Whether the path of an AI Gateway has a provider after the account and the gateway:
    /// `/v1/{account}/{gateway}/{provider}`.
    pub(crate) fn has_provider(&self) -> bool {
        self.path.split('/').filter(|segment| !segment.is_empty()).count() > 3
    }

    /// Whether the host may be on the Internet.
    pub(crate) fn is_public(&self) -> bool {
        let host = self.authority.host();
        host.trim_start_matches('[').trim_end_matches(']').parse().map_or_else(
            // A name without a dot is one of the local network.
            |_| host.contains('.') && !PRIVATE_NAMES.iter().any(|name| host.ends_with(name)),
            |address| !is_private_address(address),
        )
    }

    /// Whether the host is OpenAI's API.
    pub(crate) fn is_openai(&self) -> bool {
        self.authority.host().eq_ignore_ascii_case(OPENAI) || self.has_data_residency()
    }

    /// Whether the upstream is OpenAI, directly or through its AI Gateway.
    pub(crate) fn is_openai_or_gateway(&self) -> bool {
        self.is_openai() || self.is_ai_gateway()
    }

    /// Whether the host is one of a region
    /// ([data residency](https://platform.openai.com/docs/guides/your-data#data-residency-controls)): `eu.api.openai.com`.
    pub(crate) fn has_data_residency(&self) -> bool {
        let host = self.authority.host().to_ascii_lowercase();
        host.strip_suffix(OPENAI).is_some_and(|region| region.len() > 1 && region.ends_with('.'))
    }

    /// An authority in lower case, without the scheme's default port
    /// ([RFC 9110 §4.2.3](https://www.rfc-editor.org/rfc/rfc9110#section-4.2.3)).
    fn normalized(&self, authority: &str) -> String {
        let default = if self.is_https() { ":443" } else { ":80" };
        authority.strip_suffix(default).unwrap_or(authority).to_ascii_lowercase()
    }
}

impl Default for ApiBase {
    fn default() -> Self {
        Self { scheme: Scheme::HTTPS, authority: Authority::from_static(OPENAI), path: "/v1".to_owned() }
    }
}

impl fmt::Display for ApiBase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn reads(text: &str, shown: &str) {
        assert_eq!(ApiBase::parse(text).unwrap().to_string(), shown, "{text}");
    }

    #[test]
    fn default_path_is_v1() {
        reads("https://api.openai.com", "https://api.openai.com/v1");
        reads("https://api.openai.com/", "https://api.openai.com/v1");
        reads("https://api.openai.com/v1", "https://api.openai.com/v1");
        reads("https://api.openai.com/v1//", "https://api.openai.com/v1");
        reads("http://[::1]:8000/api", "http://[::1]:8000/api");
        assert_eq!(ApiBase::default().to_string(), "https://api.openai.com/v1");
    }

    #[test]
    fn invalid_bases_are_rejected() {
        for (text, error) in [
            ("", ApiBaseError::NotAUrl),
            ("api.openai.com", ApiBaseError::NotAUrl),
            ("/v1", ApiBaseError::NotAUrl),
            ("https://", ApiBaseError::NotAUrl),
            ("https://host:", ApiBaseError::NotAUrl),
            ("https://host:99999/", ApiBaseError::NotAUrl),
            ("https://host:x/", ApiBaseError::NotAUrl),
            ("https://a b/", ApiBaseError::NotAUrl),
            ("ftp://host/", ApiBaseError::Scheme),
            ("file://host/v1", ApiBaseError::Scheme),
            ("https://sk-secret@host/", ApiBaseError::Userinfo),
            ("https://user:sk-secret@host/", ApiBaseError::Userinfo),
            ("https://host/v1?x", ApiBaseError::Query),
            ("https://host/v1?", ApiBaseError::Query),
            ("https://host/v1#x", ApiBaseError::Fragment),
            ("https://host/v1/../admin", ApiBaseError::Path),
            ("https://host/%2e%2e", ApiBaseError::Path),
        ] {
            assert_eq!(ApiBase::parse(text).map(|base| base.to_string()), Err(error), "{text}");
        }
    }

    #[test]
    fn join_keeps_every_byte() {
        let base = ApiBase::parse("https://gateway.ai.cloudflare.com/v1/a/g/openai/").unwrap();
        let url = base.join("/x%2Fy//z", Some("a=%20&b=+&&c")).unwrap();
        assert_eq!(url, "https://gateway.ai.cloudflare.com/v1/a/g/openai/x%2Fy//z?a=%20&b=+&&c");
        assert_eq!(base.join("", Some("")).unwrap().path_and_query().unwrap(), "/v1/a/g/openai?");
        assert!(base.is_ai_gateway() && !base.is_openai());
    }

    #[test]
    fn targets_are_rebased() {
        for (base, target, relative_path, expected) in [
            ("https://host/v1", "/v1/x%2Fy//z?a=%20&b=+", "/x%2Fy//z", "https://host/v1/x%2Fy//z?a=%20&b=+"),
            ("https://host/v1", "http://proxy/v1/models?", "/models", "https://host/v1/models?"),
            ("https://host/v1", "/v1", "", "https://host/v1"),
            ("https://host/v1", "/v1/v1/models", "/models", "https://host/v1/models"),
            ("https://host/v1", "/models?x", "/models", "https://host/v1/models?x"),
            ("https://host/a/v1", "/v1/models?x", "/models", "https://host/a/v1/models?x"),
        ] {
            let url = ApiBase::parse(base).unwrap().rebase(&target.parse().unwrap(), relative_path);
            assert_eq!(url.unwrap(), expected, "{target}");
        }
    }

    #[test]
    fn strip_base_finds_locations_in_the_base() {
        let base = ApiBase::parse("https://api.openai.com/v1").unwrap();
        for (location, relative) in [
            ("https://api.openai.com/v1/files/1?x#y", Some("/files/1?x#y")),
            ("HTTPS://API.openai.com:443/v1/files", Some("/files")),
            ("https://api.openai.com/v1", Some("")),
            ("/v1/files", Some("/files")),
            ("/v1beta/files", None),
            ("/files", None),
            ("files", None),
            ("//api.openai.com/v1/files", None),
            ("https://api.openai.com", None),
            ("https://api.openai.com.evil.com/v1/files", None),
            ("https://api.openai.com:8443/v1/files", None),
            ("http://api.openai.com/v1/files", None),
        ] {
            assert_eq!(base.strip_base(location), relative, "{location}");
        }
    }
}
