//! `TRUSTED_PROXIES`: reverse proxies whose `X-Forwarded-For` names the client.

use std::{net::IpAddr, str::FromStr as _};

use http::HeaderMap;
use ipnet::IpNet;

/// The header
/// ([MDN](https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/X-Forwarded-For)): each proxy appends the
/// address that it saw.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// Addresses and networks of trusted reverse proxies.
#[derive(Clone, Debug)]
pub(crate) struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Parses addresses and networks, separated by commas or newlines.
    pub(crate) fn parse(list: &str) -> Option<Self> {
        let items = list.split([',', '\n']).map(str::trim).filter(|item| !item.is_empty());
        let networks =
            items.map(|item| IpNet::from_str(item).ok().or_else(|| Some(item.parse::<IpAddr>().ok()?.into())));
        networks.collect::<Option<_>>().map(Self)
    }

    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The client's address: the rightmost one in `X-Forwarded-For` that is not a trusted proxy, if the peer is trusted;
    /// else the peer. What stands left of it was chosen by the client.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer;
        let mut forwarded = headers.get_all(FORWARDED_FOR).iter().rev().flat_map(|value| {
            let list = value.to_str().unwrap_or_default();
            list.rsplit(',').map(str::trim)
        });
        while self.contains(client) {
            let Some(address) = forwarded.next().and_then(parse_address) else { break };
            client = address;
        }
        client
    }
}

/// An address; some proxies append the port.
fn parse_address(text: &str) -> Option<IpAddr> {
    let address = text.trim_start_matches('[').trim_end_matches(']').parse().ok();
    let address = address.or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|address| address.ip()));
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn client(trusted: &str, peer: &str, forwarded: &[&'static str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED_FOR, http::HeaderValue::from_static(value));
        }
        TrustedProxies::parse(trusted).unwrap().client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn rightmost_address_that_is_not_trusted() {
        let trusted = "127.0.0.0/8, ::1\n10.0.0.1";
        assert_eq!(client(trusted, "127.0.0.1", &["6.6.6.6, 203.0.113.7"]), "203.0.113.7");
        assert_eq!(client(trusted, "127.0.0.1", &["6.6.6.6", "203.0.113.7, 10.0.0.1"]), "203.0.113.7");
        assert_eq!(client(trusted, "::1", &["2001:db8::1"]), "2001:db8::1");
        assert_eq!(client(trusted, "::1", &["[2001:db8::1]:443"]), "2001:db8::1");
        assert_eq!(client(trusted, "::1", &["203.0.113.7:1234"]), "203.0.113.7");
        assert_eq!(client(trusted, "203.0.113.9", &["6.6.6.6"]), "203.0.113.9");
        assert_eq!(client(trusted, "127.0.0.1", &[]), "127.0.0.1");
        assert_eq!(client(trusted, "127.0.0.1", &["6.6.6.6, unknown"]), "127.0.0.1");
        assert_eq!(client(trusted, "127.0.0.1", &["10.0.0.1"]), "10.0.0.1");
        assert_eq!(client("", "127.0.0.1", &["6.6.6.6"]), "127.0.0.1");
    }

    #[test]
    fn invalid_networks() {
        for list in ["localhost", "10.0.0.0/33", "1.2.3", "127.0.0.1,x"] {
            assert!(TrustedProxies::parse(list).is_none(), "{list}");
        }
    }
}
