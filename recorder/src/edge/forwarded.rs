//! Who a request's client is, where proxies that are trusted say so.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The client of a request that came from `peer`: going back from there, the first address that is not of a trusted network.
///
/// Each proxy adds, on the right, whom it got the request from, so an entry is worth as much as the address to its right:
/// what a client has written there itself stands left of its own address and is never reached. An entry that is no
/// address ends the walk at the last one that is. Where `X-Forwarded-For` names the client its port is not known; it is
/// 0 unless the entry has one.
pub(crate) fn client(peer: SocketAddr, headers: &HeaderMap, trusted: &[IpNet]) -> SocketAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(&address.to_canonical()));
    // Without a list this is all that a request costs.
    if !is_trusted(peer.ip()) {
        return peer;
    }
    let fields = headers.get_all(X_FORWARDED_FOR).iter().rev();
    let mut client = peer;
    for entry in fields.flat_map(|field| field.as_bytes().rsplit(|b| *b == b',')) {
        let Some(address) = address(entry.trim_ascii()) else { return client };
        client = address;
        if !is_trusted(client.ip()) {
            return client;
        }
    }
    client
}

/// `10.0.0.1`, `10.0.0.1:4000`, `fd00::1`, `[fd00::1]` or `[fd00::1]:4000`.
fn address(entry: &[u8]) -> Option<SocketAddr> {
    let entry = std::str::from_utf8(entry).ok()?;
    if let Ok(address) = entry.parse() {
        return Some(address);
    }
    let bare = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address: IpAddr = match bare {
        Some(inner) => inner.parse::<std::net::Ipv6Addr>().ok()?.into(),
        None => entry.parse().ok()?,
    };
    Some(SocketAddr::new(address, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The client of a request from 10.0.0.1 with these fields, where 10.0.0.0/8 and fd00::/8 are trusted.
    fn of(fields: &[&str]) -> String {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        let headers = fields.iter().map(|value| (X_FORWARDED_FOR, value.parse().unwrap())).collect();
        client("10.0.0.1:4000".parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn the_client_is_the_right_most_address_that_is_not_trusted() {
        for (fields, expected) in [
            (&[][..], "10.0.0.1:4000"),
            (&["192.0.2.1"], "192.0.2.1:0"),
            (&["192.0.2.1:9"], "192.0.2.1:9"),
            (&["203.0.113.1, 192.0.2.1"], "192.0.2.1:0"),
            (&["203.0.113.1, 192.0.2.1, 10.2.2.2"], "192.0.2.1:0"),
            (&["203.0.113.1", "192.0.2.1,10.2.2.2", "fd00::2 ,[fd00::3], [fd00::4]:1"], "192.0.2.1:0"),
            (&["10.3.3.3, 10.2.2.2"], "10.3.3.3:0"),
            (&["2001:db8::1, ::ffff:10.2.2.2"], "[2001:db8::1]:0"),
            (&["[2001:db8::1]:7"], "[2001:db8::1]:7"),
        ] {
            assert_eq!(of(fields), expected, "{fields:?}");
        }
    }

    #[test]
    fn what_is_no_address_ends_the_walk() {
        for bad in ["unknown", "", "192.0.2.1, ", "192.0.2.300", "_hidden", "[192.0.2.1]", "192.0.2.1:x", "fd00::1]"] {
            assert_eq!(of(&[bad]), "10.0.0.1:4000", "{bad:?}");
            assert_eq!(of(&[&format!("192.0.2.1, {bad}, 10.2.2.2")]), "10.2.2.2:0", "{bad:?}");
        }
    }

    #[test]
    fn nobody_is_believed_who_is_not_trusted() {
        let headers: HeaderMap = [(X_FORWARDED_FOR, "192.0.2.1".parse().unwrap())].into_iter().collect();
        let peer: SocketAddr = "10.0.0.1:4000".parse().unwrap();
        assert_eq!(client(peer, &headers, &[]), peer);
        assert_eq!(client(peer, &headers, &["10.0.0.2/32".parse().unwrap()]), peer);
        let mapped: SocketAddr = "[::ffff:10.0.0.1]:4000".parse().unwrap();
        assert_eq!(client(mapped, &headers, &["10.0.0.1/32".parse().unwrap()]).to_string(), "192.0.2.1:0");
    }
}
