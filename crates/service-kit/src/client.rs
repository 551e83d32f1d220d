//! Who is asking: the address that failures and connections are counted by.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::{
    extract::{ConnectInfo, Request},
    http::HeaderMap,
};
use ipnet::IpNet;

/// The client's address: the peer's, or what trusted proxies say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

/// What `X-Forwarded-For` says of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forwarded {
    /// Whoever asked, as far as it is known.
    pub client: IpAddr,
    /// A trusted proxy named somebody, but not by an address (`unknown`, `_hidden`, bytes): `client` is that proxy.
    pub unreadable: bool,
}

impl Forwarded {
    /// As [`forwarded`], of a request with [`ConnectInfo`].
    #[must_use]
    pub fn of(request: &Request, trusted: &[IpNet]) -> Self {
        let peer = request
            .extensions()
            .get::<ConnectInfo<SocketAddr>>()
            .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(peer)| peer.ip());
        forwarded(peer, request.headers(), trusted)
    }
}

/// Walks `X-Forwarded-For` from its end, where the nearest proxy writes, for as long as the one who wrote is trusted.
/// Whatever a client puts in front of that is never read, and cannot make anything else unreadable: each entry is read by
/// itself, as bytes.
#[must_use]
pub fn forwarded(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Forwarded {
    let mut client = peer.to_canonical();
    let lines = headers.get_all("x-forwarded-for").iter().rev();
    let entries = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    // An empty entry of a list says nothing (RFC 9110, 5.6.1).
    for entry in entries.filter(|entry| !entry.is_empty()) {
        if !is_trusted(client, trusted) {
            break;
        }
        match address(entry) {
            Some(next) => client = next,
            None => return Forwarded { client, unreadable: true },
        }
    }
    Forwarded { client, unreadable: false }
}

/// The address of whoever asked through proxies, the nearest of which is `peer`; see [`forwarded`].
#[must_use]
pub fn resolve(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    forwarded(peer, headers, trusted).client
}

/// Whether what this address writes is believed.
#[must_use]
pub fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|network| network.contains(&address.to_canonical()))
}

/// An address as proxies write it: alone, with a port, in brackets, or with both.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?;
    let in_brackets = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok();
    let address = text
        .parse::<IpAddr>()
        .ok()
        .or_else(|| in_brackets().map(IpAddr::V6))
        .or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()))?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    /// Who asked, when these lines came from this peer.
    fn seen(peer: &str, lines: &[&[u8]]) -> (String, bool) {
        let trusted = ["10.0.0.0/8", "::1/128", "2001:db8:1::/48"].map(|network| network.parse().unwrap());
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("x-forwarded-for", HeaderValue::from_bytes(line).unwrap());
        }
        let Forwarded { client, unreadable } = forwarded(peer.parse().unwrap(), &headers, &trusted);
        (client.to_string(), unreadable)
    }

    #[test]
    fn forwarded_addresses_are_believed_as_far_as_those_who_wrote_them() {
        for (peer, lines, client) in [
            ("10.0.0.1", &[][..], "10.0.0.1"),
            ("192.0.2.9", &["198.51.100.1"], "192.0.2.9"),
            ("10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("::1", &["198.51.100.1:4711"], "198.51.100.1"),
            ("::ffff:10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            // What the client made up is in front of what the proxy saw.
            ("10.0.0.1", &["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["1.1.1.1", "198.51.100.1, 10.0.0.2"], "198.51.100.1"),
            ("10.0.0.1", &["1.1.1.1, nonsense"], "10.0.0.1"),
            ("10.0.0.1", &["10.0.0.3"], "10.0.0.3"),
        ] {
            let lines: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
            assert_eq!(seen(peer, &lines).0, client, "{peer} {lines:?}");
        }
    }

    #[test]
    fn an_address_is_understood_in_every_form_that_proxies_write() {
        for (lines, client) in [
            (&["198.51.100.7"][..], "198.51.100.7"),
            (&["198.51.100.7:50123"], "198.51.100.7"),
            (&["2001:db8::7"], "2001:db8::7"),
            (&["2001:DB8:0:0::7"], "2001:db8::7"),
            // Microsoft ARR, some versions of HAProxy.
            (&["[2001:db8::7]"], "2001:db8::7"),
            (&["[2001:db8::7]:50123"], "2001:db8::7"),
            (&["::ffff:198.51.100.7"], "198.51.100.7"),
            (&["[::ffff:198.51.100.7]"], "198.51.100.7"),
            (&["[::ffff:198.51.100.7]:50123"], "198.51.100.7"),
            // A proxy's own address, in each form, is a proxy's.
            (&["198.51.100.7,  10.0.0.2 ,10.0.0.3"], "198.51.100.7"),
            (&["198.51.100.7", "[2001:db8:1::2]:443", "::ffff:10.0.0.3"], "198.51.100.7"),
            // Blanks, tabs, and entries with nothing in them.
            (&["\t198.51.100.7 \t"], "198.51.100.7"),
            (&[", 198.51.100.7 , ,"], "198.51.100.7"),
            (&["198.51.100.7", "", " , "], "198.51.100.7"),
            (&["", ","], "10.0.0.1"),
        ] {
            let lines: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
            assert_eq!(seen("10.0.0.1", &lines), (client.to_owned(), false), "{lines:?}");
        }
    }

    #[test]
    fn an_entry_that_is_no_address_ends_the_walk_at_the_last_proxy_that_is_trusted() {
        for entry in [
            &b"unknown"[..],
            b"_hidden",
            b"_SEVKISEK:4711",
            b"unix:",
            b"localhost",
            b"198.51.100.7.9",
            b"198.51.100.007",
            b"[198.51.100.7]",
            b"[2001:db8::7",
            b"2001:db8::7]",
            b"198.51.100.7:99999",
            b"198.51.100.7;1.1.1.1",
            b"\xff",
            b"198.51.100.7\xff",
        ] {
            let line = [b"1.1.1.1, ", entry, b", 10.0.0.2"].concat();
            assert_eq!(seen("10.0.0.1", &[&line]), ("10.0.0.2".into(), true), "{line:?}");
        }
    }

    #[test]
    fn a_byte_that_a_client_sends_does_not_hide_it() {
        for made_up in [&b"\xff"[..], b"1.1.1.1\xff", b"\xff, 1.1.1.1", b"unknown", b"\xc3\xa9"] {
            let in_one = [made_up, b", 198.51.100.7"].concat();
            assert_eq!(seen("10.0.0.1", &[&in_one]), ("198.51.100.7".into(), false), "{made_up:?}");
            let in_two = [made_up, b"198.51.100.7"];
            assert_eq!(seen("10.0.0.1", &in_two), ("198.51.100.7".into(), false), "{made_up:?}");
            // Who is not trusted names nobody, and is not asked to.
            assert_eq!(seen("198.51.100.7", &[made_up]), ("198.51.100.7".into(), false), "{made_up:?}");
        }
    }
}
