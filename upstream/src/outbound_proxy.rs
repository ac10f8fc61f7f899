//! A proxy on the way to the upstream: `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`.

use std::{fmt, io};

use http::{HeaderValue, Uri, uri::Scheme};
use hyper_util::{
    client::{
        legacy::connect::{
            HttpConnector,
            proxy::{SocksV5, Tunnel},
        },
        proxy::matcher::Matcher,
    },
    rt::TokioIo,
};
use tokio::net::TcpStream;
use tower_service::Service as _;

/// A proxy for connections to the upstream. TLS to the upstream stays end to end.
#[derive(Clone)]
pub struct OutboundProxy {
    address: Uri,
    protocol: Protocol,
}

#[derive(Clone)]
enum Protocol {
    /// The method CONNECT ([RFC 9110 §9.3.6](https://www.rfc-editor.org/rfc/rfc9110#section-9.3.6)).
    Connect { authorization: Option<HeaderValue> },
    /// SOCKS5 ([RFC 1928](https://www.rfc-editor.org/rfc/rfc1928)).
    Socks5 { login: Option<(String, String)>, resolves_names: bool },
}

impl OutboundProxy {
    /// Finds the proxy for an upstream. `get` returns the value of an environment variable; names are looked up in capital
    /// and in small letters.
    ///
    /// # Errors
    /// A sentence that begins with the name of the variable, without its value, which may contain a password.
    pub fn from_env(get: impl Fn(&str) -> Option<String>, upstream: &Uri) -> Result<Option<Self>, String> {
        let variable = |name: &str| get(name).or_else(|| get(&name.to_ascii_lowercase())).unwrap_or_default();
        let is_https = upstream.scheme() == Some(&Scheme::HTTPS);
        let names: &[&str] = if is_https { &["HTTPS_PROXY", "ALL_PROXY"] } else { &["ALL_PROXY"] };
        let set = names.iter().map(|name| (*name, variable(name))).find(|(_, value)| !value.trim().is_empty());
        let Some((name, value)) = set else { return Ok(None) };
        let matcher = Matcher::builder().all(value.trim()).no(variable("NO_PROXY")).build();
        // Only an excluded host is known to have no proxy; an invalid value has none either.
        let is_valid = Matcher::builder().all(value.trim()).build().intercept(upstream).is_some();
        let problem = || format!("{name} is not the URL of a proxy, such as http://proxy:3128 or socks5h://proxy:1080");
        if !is_valid {
            return Err(problem());
        }
        let Some(proxy) = matcher.intercept(upstream) else { return Ok(None) };
        let login = proxy.raw_auth().map(|(user, password)| (user.to_owned(), password.to_owned()));
        let protocol = match proxy.uri().scheme_str() {
            Some("http") => Protocol::Connect { authorization: proxy.basic_auth().cloned() },
            Some("socks5h") => Protocol::Socks5 { login, resolves_names: true },
            Some("socks5") => Protocol::Socks5 { login, resolves_names: false },
            _ => return Err(problem()),
        };
        Ok(Some(Self { address: proxy.uri().clone(), protocol }))
    }

    /// Opens a connection to the upstream's host through the proxy.
    pub(crate) async fn connect(&self, tcp: HttpConnector, upstream: &Uri) -> io::Result<TokioIo<TcpStream>> {
        let (address, upstream) = (self.address.clone(), with_port(upstream));
        let failed = |error: &dyn fmt::Display| io::Error::other(format!("outbound proxy {self}: {error}"));
        match &self.protocol {
            Protocol::Connect { authorization } => {
                let tunnel = Tunnel::new(address, tcp);
                let mut tunnel = authorization.iter().fold(tunnel, |tunnel, value| tunnel.with_auth(value.clone()));
                tunnel.call(upstream).await.map_err(|error| failed(&error))
            }
            Protocol::Socks5 { login, resolves_names } => {
                let socks = SocksV5::new(address, tcp).local_dns(!resolves_names);
                let mut socks =
                    login.iter().fold(socks, |socks, (user, password)| socks.with_auth(user.clone(), password.clone()));
                socks.call(upstream).await.map_err(|error| failed(&error))
            }
        }
    }
}

/// The address, without user and password.
impl fmt::Display for OutboundProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.address.host().unwrap_or_default();
        let port = self.address.port().map_or_else(String::new, |port| format!(":{port}"));
        write!(f, "{}://{host}{port}", self.address.scheme_str().unwrap_or_default())
    }
}

impl fmt::Debug for OutboundProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OutboundProxy({self})")
    }
}

/// The same address with a port, because the connectors take 443 for every scheme.
fn with_port(uri: &Uri) -> Uri {
    let port = if uri.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 };
    let (host, port) = (uri.host().unwrap_or_default(), uri.port_u16().unwrap_or(port));
    let built = Uri::builder().scheme("http").authority(format!("{host}:{port}")).path_and_query("/").build();
    built.unwrap_or_else(|_| uri.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn found(variables: &[(&str, &str)], upstream: &'static str) -> Result<Option<String>, String> {
        let get = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        let proxy = OutboundProxy::from_env(get, &Uri::from_static(upstream))?;
        Ok(proxy.map(|proxy| proxy.to_string()))
    }

    #[test]
    fn variables() {
        const OPENAI: &str = "https://api.openai.com/v1";
        let proxy = |text: &str| Ok(Some(text.to_owned()));
        assert_eq!(found(&[], OPENAI), Ok(None));
        assert_eq!(found(&[("HTTPS_PROXY", "http://p:1")], OPENAI), proxy("http://p:1"));
        assert_eq!(found(&[("https_proxy", "p:1")], OPENAI), proxy("http://p:1"));
        assert_eq!(found(&[("HTTPS_PROXY", ""), ("all_proxy", "socks5h://u:p@p:1")], OPENAI), proxy("socks5h://p:1"));
        assert_eq!(found(&[("HTTPS_PROXY", "http://p:1")], "http://vllm:8000/v1"), Ok(None));
        assert_eq!(found(&[("ALL_PROXY", "http://p:1")], "http://vllm:8000/v1"), proxy("http://p:1"));
        for no in ["api.openai.com", ".openai.com", "openai.com, x", "*"] {
            assert_eq!(found(&[("HTTPS_PROXY", "http://p:1"), ("no_proxy", no)], OPENAI), Ok(None), "{no}");
        }
        assert_eq!(found(&[("HTTPS_PROXY", "http://p:1"), ("NO_PROXY", "ai.com")], OPENAI), proxy("http://p:1"));
    }

    #[test]
    fn problems_show_no_password() {
        for value in ["https://u:secret@p:1", "ftp://u:secret@p", "http://u:secret@", "socks4://secret"] {
            let problem = found(&[("HTTPS_PROXY", value)], "https://api.openai.com/v1").unwrap_err();
            assert!(
                problem.starts_with("HTTPS_PROXY is not the URL of a proxy") && !problem.contains("secret"),
                "{value}"
            );
        }
    }
}
