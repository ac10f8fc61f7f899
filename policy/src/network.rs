//! Networks of client addresses.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// A network: an address and the length of its prefix ([RFC 4632](https://www.rfc-editor.org/rfc/rfc4632#section-3.1)).
///
/// An IPv6 address that contains an IPv4 address (`::ffff:192.0.2.1`) counts as that IPv4 address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Parses an address or a network such as `203.0.113.0/24`. Bits after the prefix count as zero.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let Some((address, prefix)) = text.split_once('/') else {
            let address = text.parse::<IpAddr>().ok()?.to_canonical();
            return Some(Self { address, prefix: width(address) });
        };
        let written: IpAddr = address.parse().ok()?;
        let is_number =
            prefix.bytes().all(|byte| byte.is_ascii_digit()) && (prefix.len() == 1 || !prefix.starts_with('0'));
        let prefix = prefix.parse::<u8>().ok().filter(|prefix| is_number && *prefix <= width(written))?;
        let address = written.to_canonical();
        // `::ffff:10.0.0.0/104` is `10.0.0.0/8`; `::/0` stays a network of IPv6.
        match prefix.checked_sub(width(written).checked_sub(width(address))?) {
            Some(prefix) => Some(Self { address: masked(address, prefix), prefix }),
            None => Some(Self { address: masked(written, prefix), prefix }),
        }
    }

    /// Whether the address is in the network.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && masked(address, self.prefix) == self.address
    }
}

/// Writes `203.0.113.0/24`.
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// Sets the bits after the prefix to zero.
fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(prefix.into())).unwrap_or(0);
            Ipv4Addr::from_bits(address.to_bits() & mask).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(prefix.into())).unwrap_or(0);
            Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "small numbers")]

    use proptest::prelude::*;

    use super::*;

    fn contains(network: &str, address: &str) -> bool {
        Network::parse(network).unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn networks_and_addresses() {
        assert!(contains("203.0.113.0/24", "203.0.113.255"));
        assert!(!contains("203.0.113.0/24", "203.0.114.0"));
        assert!(contains("203.0.113.9/24", "203.0.113.1"));
        assert!(contains("0.0.0.0/0", "198.51.100.1"));
        assert!(!contains("0.0.0.0/0", "2001:db8::1"));
        assert!(contains("203.0.113.7", "::ffff:203.0.113.7"));
        assert!(contains("::ffff:10.0.0.0/104", "10.255.255.255"));
        assert!(contains("2001:db8::/32", "2001:db8:ffff::1"));
        assert!(!contains("2001:db8::/32", "2001:db9::1"));
        assert!(contains("::/0", "2001:db8::1"));
        assert!(!contains("::1", "::2"));
    }

    #[test]
    fn invalid_networks() {
        for text in [
            "",
            "localhost",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0.0/08",
            "1.2.3",
            "::/129",
            " ::1",
            "::1 /1",
        ] {
            assert_eq!(Network::parse(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn shown_networks_parse_to_themselves(bits: u128, low: u32, prefix in 0..=128_u8, v4: bool) {
            let address: IpAddr =
                if v4 { Ipv4Addr::from_bits(low).into() } else { Ipv6Addr::from_bits(bits).into() };
            let network = Network::parse(&format!("{address}/{}", if v4 { prefix / 4 } else { prefix })).unwrap();
            prop_assert_eq!(Network::parse(&network.to_string()), Some(network));
            prop_assert!(network.contains(address));
        }

        /// Of two addresses that differ in one bit, a network contains both only if the bit is after the prefix.
        #[test]
        fn addresses_that_differ_in_one_bit(bits: u128, low: u32, bit in 0..128_u32, prefix in 0..=128_u8, v4: bool) {
            let (address, other, prefix, bit): (IpAddr, IpAddr, u8, u32) = if v4 {
                let other = Ipv4Addr::from_bits(low ^ (1 << (31 - bit / 4)));
                (Ipv4Addr::from_bits(low).into(), other.into(), prefix / 4, bit / 4)
            } else {
                let other = Ipv6Addr::from_bits(bits ^ (1 << (127 - bit)));
                (Ipv6Addr::from_bits(bits).into(), other.into(), prefix, bit)
            };
            prop_assume!(v4 || !address.to_canonical().is_ipv4() && !other.to_canonical().is_ipv4());
            let network = Network::parse(&format!("{address}/{prefix}")).unwrap();
            prop_assert_eq!(network.contains(other), bit >= prefix.into());
        }
    }
}
