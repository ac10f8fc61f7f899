//! Who may see the owner's page: programs of this machine, or those with the password.
//!
//! On a loopback address, a web page could reach it by a name of its own that resolves to this machine
//! ([DNS rebinding](https://en.wikipedia.org/wiki/DNS_rebinding)), so `Host` must be a local one. With a password, the browser
//! sends it to the name that asked for it only. Metrics have what users spend too. A monitoring system may use any name
//! without a dot, which no web page has.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use arc_swap::ArcSwapOption;
use base64ct::{Base64, Encoding as _};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{AUTHORIZATION, HOST},
};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// The answer to a request without the password ([RFC 7617 §2](https://www.rfc-editor.org/rfc/rfc7617#section-2)).
pub(super) const CHALLENGE: HeaderValue =
    HeaderValue::from_static("Basic realm=\"Sparekey operations\", charset=\"UTF-8\"");

/// The rule of an address.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    is_loopback: bool,
    /// A reload replaces it.
    password: Arc<ArcSwapOption<Password>>,
}

/// The SHA-256 of a password, so that passwords of any length take the same time.
#[derive(Clone)]
pub(crate) struct Password([u8; 32]);

/// Why a request is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Refusal {
    /// No password is set, and other machines can reach the address.
    NoPassword,
    /// The name in `Host` is not this machine's.
    ForeignHost,
    /// The name in `Host` may be a web page's, and the request is for metrics.
    DottedHost,
    /// The password is missing or wrong.
    WrongPassword,
}

impl Access {
    /// Creates the rule of this address.
    pub(crate) fn new(address: SocketAddr, password: Arc<ArcSwapOption<Password>>) -> Self {
        Self { is_loopback: address.ip().to_canonical().is_loopback(), password }
    }

    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        match &*self.password.load() {
            Some(password) if password.is_in(headers) => Ok(()),
            Some(_) => Err(Refusal::WrongPassword),
            None if !self.is_loopback => Err(Refusal::NoPassword),
            None if has_local_host(headers) => Ok(()),
            None => Err(Refusal::ForeignHost),
        }
    }

    /// The rule of metrics, which need no password.
    pub(super) fn check_metrics(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let has_password = || self.password.load().as_ref().is_some_and(|password| password.is_in(headers));
        let is_allowed = !self.is_loopback || headers.get_all(HOST).iter().all(has_no_dot) || has_password();
        if is_allowed { Ok(()) } else { Err(Refusal::DottedHost) }
    }
}

impl Password {
    /// The shortest password.
    pub(crate) const LENGTH_MIN: usize = 16;

    /// Returns `None` for a text that is too short, or has other characters than visible ASCII.
    pub(crate) fn new(text: &str) -> Option<Self> {
        let is_valid = text.len() >= Self::LENGTH_MIN && text.bytes().all(|byte| byte.is_ascii_graphic());
        is_valid.then(|| Self(Sha256::digest(text).into()))
    }

    /// Whether the password of `Authorization: Basic` is this one. The user name is not read.
    fn is_in(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(AUTHORIZATION).and_then(|value| {
            let (scheme, text) = value.to_str().ok()?.split_once(' ')?;
            let text = Base64::decode_vec(text).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
            let colon = text.iter().position(|byte| *byte == b':')?;
            Some(Sha256::digest(text.get(colon + 1..)?))
        });
        given.is_some_and(|given| given.ct_eq(&self.0).into())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

impl Refusal {
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::NoPassword | Self::ForeignHost | Self::DottedHost => StatusCode::FORBIDDEN,
            Self::WrongPassword => StatusCode::UNAUTHORIZED,
        }
    }

    pub(super) fn text(self) -> &'static str {
        match self {
            Self::NoPassword => {
                "METRICS_LISTEN is not a loopback address, so this page needs a password: set OPERATIONS_PASSWORD or \
                 OPERATIONS_PASSWORD_FILE\n"
            }
            Self::ForeignHost => {
                "use localhost or 127.0.0.1 as the name of this server, or set OPERATIONS_PASSWORD for another name\n"
            }
            Self::DottedHost => {
                "use localhost, an IP address or a name without dots as the name of this server, or send the password of \
                 OPERATIONS_PASSWORD\n"
            }
            Self::WrongPassword => "the password is that of OPERATIONS_PASSWORD; any user name will do\n",
        }
    }
}

/// Whether the only `Host` is `localhost` or a loopback address, with any port.
fn has_local_host(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let name = name(host);
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether `Host` is an IP address, or a name that the public DNS does not have.
fn has_no_dot(host: &HeaderValue) -> bool {
    let name = name(host);
    !name.is_empty() && !name.contains('.') || name.parse::<IpAddr>().is_ok()
}

/// The name or address in `Host`.
fn name(host: &HeaderValue) -> &str {
    let host = host.to_str().unwrap_or_default();
    match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or("", |(address, _)| address),
        None => host.split(':').next().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWORD: &str = "correct:horse:battery";

    fn access(address: &str, password: Option<&str>) -> Access {
        let password = password.map(|text| Arc::new(Password::new(text).unwrap()));
        Access::new(address.parse().unwrap(), Arc::new(ArcSwapOption::from(password)))
    }

    fn headers(fields: &[(http::HeaderName, &str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    fn basic(text: &str) -> String {
        format!("Basic {}", Base64::encode_string(text.as_bytes()))
    }

    #[test]
    fn loopback_needs_a_local_host() {
        for address in ["127.0.0.1:9090", "[::1]:9090", "[::ffff:127.0.0.1]:9090"] {
            let access = access(address, None);
            for host in ["localhost", "LocalHost:9090", "127.0.0.1", "127.0.0.1:1", "127.0.0.2", "[::1]", "[::1]:9090"]
            {
                assert_eq!(access.check(&headers(&[(HOST, host)])), Ok(()), "{host}");
            }
            for host in [
                "evil.example",
                "localhost.evil.example",
                "127.0.0.1.evil.example",
                "localhost.",
                "",
                "10.0.0.1",
                "[::2]",
                "[::1",
                "::1",
            ] {
                assert_eq!(access.check(&headers(&[(HOST, host)])), Err(Refusal::ForeignHost), "{host}");
            }
            assert_eq!(access.check(&HeaderMap::new()), Err(Refusal::ForeignHost));
            let mut two = headers(&[(HOST, "localhost")]);
            two.append(HOST, HeaderValue::from_static("localhost"));
            assert_eq!(access.check(&two), Err(Refusal::ForeignHost));
        }
    }

    #[test]
    fn metrics_of_a_loopback_address_need_a_name_without_dots() {
        let (local, public) = (access("127.0.0.1:9090", None), access("0.0.0.0:9090", None));
        for host in ["localhost:9090", "127.0.0.1", "10.0.0.1:9090", "[::1]:9090", "sparekey:9090", "HOST"] {
            assert_eq!(local.check_metrics(&headers(&[(HOST, host)])), Ok(()), "{host}");
        }
        // No browser sends none.
        assert_eq!(local.check_metrics(&HeaderMap::new()), Ok(()));
        for host in ["evil.example", "localhost.evil.example:9090", "127.0.0.1.evil.example", "localhost.", "", ":9090"]
        {
            let fields = headers(&[(HOST, host)]);
            assert_eq!(local.check_metrics(&fields), Err(Refusal::DottedHost), "{host}");
            assert_eq!(public.check_metrics(&fields), Ok(()), "{host}");
        }
        let mut two = headers(&[(HOST, "localhost")]);
        two.append(HOST, HeaderValue::from_static("evil.example"));
        assert_eq!(local.check_metrics(&two), Err(Refusal::DottedHost));
        // A reverse proxy may have passed the name, and the owner's page sends the password.
        let access = access("127.0.0.1:9090", Some(PASSWORD));
        let check = |host: &str, password: &str| {
            access.check_metrics(&headers(&[(HOST, host), (AUTHORIZATION, &basic(&format!("x:{password}")))]))
        };
        assert_eq!(check("any.example", PASSWORD), Ok(()));
        assert_eq!(check("any.example", "x"), Err(Refusal::DottedHost));
        assert_eq!(check("sparekey", "x"), Ok(()));
    }

    #[test]
    fn other_addresses_need_a_password() {
        for address in ["0.0.0.0:9090", "[::]:9090", "10.0.0.1:9090"] {
            let local = headers(&[(HOST, "localhost")]);
            assert_eq!(access(address, None).check(&local), Err(Refusal::NoPassword));
            assert_eq!(access(address, Some(PASSWORD)).check(&local), Err(Refusal::WrongPassword));
        }
    }

    #[test]
    fn password_is_that_of_basic() {
        for address in ["0.0.0.0:9090", "127.0.0.1:9090"] {
            let access = access(address, Some(PASSWORD));
            let check = |value: &str| access.check(&headers(&[(HOST, "any.example"), (AUTHORIZATION, value)]));
            for user in ["", "owner"] {
                assert_eq!(check(&basic(&format!("{user}:{PASSWORD}"))), Ok(()), "{user}");
            }
            assert_eq!(check(&basic(&format!("x:{PASSWORD}")).replace("Basic", "basic")), Ok(()));
            for wrong in [
                basic(PASSWORD),
                basic(&format!("x:{PASSWORD}x")),
                basic("x:"),
                basic(""),
                basic(&format!("x:{PASSWORD}")).replace("Basic", "Bearer"),
                "Basic".to_owned(),
                "Basic ????".to_owned(),
                PASSWORD.to_owned(),
            ] {
                assert_eq!(check(&wrong), Err(Refusal::WrongPassword), "{wrong}");
            }
        }
    }

    #[test]
    fn passwords_have_16_visible_characters() {
        assert!(Password::new("0123456789abcdef").is_some());
        for text in ["0123456789abcde", "0123456789abcde ", "0123456789abcdeé", ""] {
            assert!(Password::new(text).is_none(), "{text}");
        }
        assert_eq!(format!("{:?}", Password::new(PASSWORD).unwrap()), "Password(…)");
    }
}
