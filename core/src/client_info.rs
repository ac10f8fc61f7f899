//! The connection on which a request arrived, and `X-Forwarded-Prefix`.

use http::{HeaderName, request};

/// The path of the proxy on a reverse proxy that removes it from requests
/// ([Traefik](https://doc.traefik.io/traefik/middlewares/http/stripprefix/)).
const FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
/// The longest prefix, in bytes. It is written into responses.
const PREFIX_MAX: usize = 256;

/// The paths at which a browser gets the front page, which shows the base URL.
pub(crate) const SHOWING_BASE_URL: [&str; 3] = ["/", "/v1", "/v1/"];

/// What an adapter sees of the connection on which a request arrived. Without it, the connection has no TLS and its peer
/// is not trusted.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClientInfo {
    /// Whether the adapter itself serves TLS on it.
    pub is_https: bool,
    /// Whether the peer is a reverse proxy of the owner.
    pub is_trusted_proxy: bool,
}

impl ClientInfo {
    /// Adds this to the extensions of a head, if the gate needs it for this request.
    pub fn attach(self, head: &mut request::Parts) {
        let is_needed = self.is_https && SHOWING_BASE_URL.contains(&head.uri.path())
            || self.is_trusted_proxy && head.headers.contains_key(FORWARDED_PREFIX);
        if is_needed {
            head.extensions.insert(self);
        }
    }

    /// What [`attach`](Self::attach) has added.
    pub(crate) fn of(head: &request::Parts) -> Self {
        head.extensions.get().copied().unwrap_or_default()
    }
}

/// The path in front of `/v1` for clients, such as `/openai`: empty, if no trusted reverse proxy sends a valid one.
pub(crate) fn prefix(head: &request::Parts) -> &str {
    if !ClientInfo::of(head).is_trusted_proxy {
        return "";
    }
    let mut values = head.headers.get_all(FORWARDED_PREFIX).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return "" };
    let prefix = value.to_str().unwrap_or_default().trim_end_matches('/');
    if is_plain_path(prefix) { prefix } else { "" }
}

/// Whether a path has plain segments only: nothing that a browser could read as another host, path or text.
fn is_plain_path(path: &str) -> bool {
    let is_plain = |segment: &str| {
        let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        !["", ".", ".."].contains(&segment) && segment.bytes().all(is_unreserved)
    };
    path.len() <= PREFIX_MAX && path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(is_plain))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn head(prefixes: &[&str], info: ClientInfo) -> request::Parts {
        let request =
            prefixes.iter().fold(Request::get("/"), |request, prefix| request.header(FORWARDED_PREFIX, *prefix));
        let (mut head, ()) = request.body(()).unwrap().into_parts();
        info.attach(&mut head);
        head
    }

    #[test]
    fn prefix_of_a_trusted_proxy() {
        let trusted = ClientInfo { is_trusted_proxy: true, is_https: false };
        for (value, expected) in [("/openai", "/openai"), ("/a/b-c_~.d/", "/a/b-c_~.d"), ("/", ""), ("", "")] {
            assert_eq!(prefix(&head(&[value], trusted)), expected, "{value}");
            assert_eq!(prefix(&head(&[value], ClientInfo { is_trusted_proxy: false, is_https: true })), "", "{value}");
        }
        let long = format!("/{}", "a".repeat(PREFIX_MAX));
        let invalid = [
            "openai",
            "//evil.example",
            "/a//b",
            "/..",
            "/a/./b",
            "/a b",
            "/<b>",
            "/a\\b",
            "/a%2fb",
            "/a?b",
            "/a,/b",
            &long,
        ];
        for value in invalid {
            assert_eq!(prefix(&head(&[value], trusted)), "", "{value}");
        }
        assert_eq!(prefix(&head(&["/a", "/b"], trusted)), "");
        assert_eq!(prefix(&head(&[], trusted)), "");
    }
}
