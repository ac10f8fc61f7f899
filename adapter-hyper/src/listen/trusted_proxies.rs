//! `TRUSTED_PROXIES`: reverse proxies whose `X-Forwarded-For` names the client.

use std::net::IpAddr;

use http::HeaderMap;
use sparekey_policy::Network;

/// The header
/// ([MDN](https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/X-Forwarded-For)): each proxy appends the
/// address that it saw.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// Addresses that are read, at most: each proxy on the way adds one.
const FORWARDED_MAX: usize = 16;

/// Addresses and networks of trusted reverse proxies.
#[derive(Clone, Debug)]
pub(crate) struct TrustedProxies(Vec<Network>);

impl TrustedProxies {
    /// Parses addresses and networks, separated by commas or newlines.
    pub(crate) fn parse(list: &str) -> Option<Self> {
        sparekey_core::list_items(list).map(|(_, item)| Network::parse(item)).collect::<Option<_>>().map(Self)
    }

    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// The client's address: the rightmost one in `X-Forwarded-For` that is not a trusted proxy, if the peer is trusted;
    /// else the peer. The client chose the addresses to the left of it. `None` if a trusted proxy names no address there.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
        let mut client = peer;
        let values = headers.get_all(FORWARDED_FOR).iter().rev();
        // What the client sent to the left may be no text.
        let mut forwarded = values.flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b','));
        for _ in 0..FORWARDED_MAX {
            if !self.contains(client) {
                break;
            }
            let Some(item) = forwarded.next() else { break };
            client = parse_address(str::from_utf8(item).ok()?.trim())?;
        }
        Some(client)
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
        let client = TrustedProxies::parse(trusted).unwrap().client(peer.parse().unwrap(), &headers);
        client.map_or_else(|| "unknown".to_owned(), |client| client.to_string())
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
        assert_eq!(client(trusted, "127.0.0.1", &["6.6.6.6, unknown"]), "unknown");
        assert_eq!(client(trusted, "127.0.0.1", &["unknown, 203.0.113.7"]), "203.0.113.7");
        assert_eq!(client(trusted, "127.0.0.1", &["unknown, 10.0.0.1"]), "unknown");
        assert_eq!(client(trusted, "127.0.0.1", &["10.0.0.1"]), "10.0.0.1");
        assert_eq!(client("", "127.0.0.1", &["6.6.6.6"]), "127.0.0.1");
        assert_eq!(client("::ffff:10.0.0.0/104", "10.0.0.1", &["203.0.113.7"]), "203.0.113.7");
    }

    #[test]
    fn bytes_of_the_client() {
        let proxies = TrustedProxies::parse("127.0.0.0/8").unwrap();
        let client = |value: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(FORWARDED_FOR, http::HeaderValue::from_bytes(value).unwrap());
            proxies.client([127, 0, 0, 1].into(), &headers)
        };
        assert_eq!(client(b"\xe9, 198.51.100.7"), Some([198, 51, 100, 7].into()));
        assert_eq!(client(b"198.51.100.7, \xe9"), None);
    }

    #[test]
    fn invalid_networks() {
        for list in ["localhost", "10.0.0.0/33", "1.2.3", "127.0.0.1,x"] {
            assert!(TrustedProxies::parse(list).is_none(), "{list}");
        }
    }
}
