//! Where a request comes from.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use axum::extract::{ConnectInfo, Request};
use axum::http::HeaderMap;

use super::Security;

/// An address, or all that share its first bits: `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Whether an address is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        let number = |address: IpAddr| match address {
            IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, true),
            IpAddr::V6(address) => (address.to_bits(), false),
        };
        let ((ours, is_v4), (theirs, other_is_v4)) = (number(self.address), number(address.to_canonical()));
        let shift = 128 - u32::from(self.bits);
        is_v4 == other_is_v4 && ours.checked_shr(shift).unwrap_or(0) == theirs.checked_shr(shift).unwrap_or(0)
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no network: give an address such as 10.1.2.3 or 10.0.0.0/8");
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.trim().parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), |bits| bits.trim().parse().map_err(|_| wrong()))?;
        if bits <= most { Ok(Self { address, bits }) } else { Err(wrong()) }
    }
}

/// Who calls (`ConnectInfo<SocketAddr>` where the server was told to keep it), as far as the connection and trusted proxies tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Client {
    /// The address, if it is known.
    pub(crate) address: Option<IpAddr>,
    /// Whether everything between the caller and the server, or its trusted proxy, is encrypted.
    pub(crate) is_https: bool,
    /// Whether the caller is on this machine and no proxy is in between, trusted or not.
    pub(crate) is_local: bool,
}

impl Client {
    pub(crate) fn of(request: &Request, security: &Security) -> Self {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
        let headers = request.headers();
        let is_forwarded = headers.contains_key("x-forwarded-for") || headers.contains_key("forwarded");
        let is_local = peer.is_some_and(|peer| peer.to_canonical().is_loopback()) && !is_forwarded;
        let trusts =
            |address: IpAddr| security.trusted_proxies.iter().any(|network| network.contains(address));
        let Some(peer) = peer.filter(|peer| trusts(*peer)) else {
            return Self { address: peer, is_https: security.tls, is_local };
        };
        // From the nearest to the farthest: the first that is no trusted proxy is the caller; what it says itself about
        // where it comes from is not believed.
        let mut address = peer;
        for hop in list(headers, "x-forwarded-for").iter().rev() {
            let Ok(hop) = hop.trim_matches(['[', ']']).parse::<IpAddr>() else { break };
            address = hop;
            if !trusts(hop) {
                break;
            }
        }
        let protocol = list(headers, "x-forwarded-proto").pop();
        let is_https = protocol.map_or(security.tls, |protocol| protocol.eq_ignore_ascii_case("https"));
        Self { address: Some(address), is_https, is_local }
    }
}

/// The items of a header that may come several times, each with several items.
fn list(headers: &HeaderMap, name: &str) -> Vec<String> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|item| item.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn client(peer: &str, headers: &[(&str, &str)], trusted: &[&str]) -> Client {
        let mut request = Request::get("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Body::empty()).unwrap();
        let peer = SocketAddr::new(peer.parse().unwrap(), 4_000);
        request.extensions_mut().insert(ConnectInfo(peer));
        let trusted_proxies = trusted.iter().map(|network| network.parse().unwrap()).collect();
        Client::of(&request, &Security { trusted_proxies, ..Security::default() })
    }

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn networks_hold_what_shares_their_first_bits() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.1.2", "11.0.0.1"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("0.0.0.0/0", "203.0.113.9", "2001:db8::1"),
            ("2001:db8::/32", "2001:db8:ff::1", "2001:db9::1"),
            ("10.0.0.0/8", "::ffff:10.1.1.1", "::ffff:11.1.1.1"),
        ] {
            let network: Network = network.parse().unwrap();
            assert!(network.contains(inside.parse().unwrap()), "{network:?} {inside}");
            assert!(!network.contains(outside.parse().unwrap()), "{network:?} {outside}");
        }
        for text in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "a/8", "10.0.0.0/"] {
            assert!(text.parse::<Network>().unwrap_err().contains("10.0.0.0/8"), "{text}");
        }
    }

    #[test]
    fn what_others_say_about_themselves_is_not_believed() {
        let forged = [("x-forwarded-for", "203.0.113.1"), ("x-forwarded-proto", "https")];
        let seen = client("198.51.100.1", &forged, &["10.0.0.0/8"]);
        assert_eq!((seen.address, seen.is_https, seen.is_local), (address("198.51.100.1"), false, false));
        let seen = client("127.0.0.1", &forged, &[]);
        assert_eq!((seen.address, seen.is_local), (address("127.0.0.1"), false));
        assert!(client("127.0.0.1", &[], &[]).is_local && client("::1", &[], &[]).is_local);
    }

    #[test]
    fn a_trusted_proxy_says_who_called() {
        let trusted = ["10.0.0.0/8", "127.0.0.1"];
        let said = [("x-forwarded-for", "1.1.1.1, 203.0.113.1, 10.0.0.2"), ("x-forwarded-proto", "https")];
        let seen = client("127.0.0.1", &said, &trusted);
        assert_eq!((seen.address, seen.is_https, seen.is_local), (address("203.0.113.1"), true, false));
        let seen = client("10.0.0.1", &[("x-forwarded-for", "nonsense")], &trusted);
        assert_eq!(seen.address, address("10.0.0.1"));
    }
}
