//! Which addresses are not on the Internet.

use std::net::IpAddr;

/// Returns whether an address is a loopback, private or link-local one
/// ([RFC 1918](https://www.rfc-editor.org/rfc/rfc1918), [RFC 3927](https://www.rfc-editor.org/rfc/rfc3927),
/// [RFC 4193](https://www.rfc-editor.org/rfc/rfc4193)).
#[must_use]
pub fn is_private_address(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}
