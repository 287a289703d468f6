//! The shadow host: the authority a target sees, with `-shadow` before the port.
//!
//! The rule is Envoy's for mirrored requests (its router filter, `appendShadowSuffix`): a port starts at the last `:`
//! that is not inside the brackets of an IPv6 address. Case is kept, and a host that already ends in `-shadow` gets
//! another one, so that a chain of mirrors can be told apart.

const SUFFIX: &[u8] = b"-shadow";

/// The authority with `-shadow` added to its host.
pub fn add(authority: &[u8]) -> Vec<u8> {
    let (host, port) = authority.split_at(port_start(authority));
    [host, SUFFIX, port].concat()
}

/// The authority with one `-shadow` taken off its host, as a sink does; as it was, where there is none.
pub fn remove(authority: &[u8]) -> Vec<u8> {
    let (host, port) = authority.split_at(port_start(authority));
    [host.strip_suffix(SUFFIX).unwrap_or(host), port].concat()
}

/// Where the port begins, its `:` included; the end where there is no port.
fn port_start(authority: &[u8]) -> usize {
    let after_brackets = authority.iter().rposition(|b| *b == b']').map_or(0, |at| at + 1);
    authority[after_brackets..].iter().rposition(|b| *b == b':').map_or(authority.len(), |at| after_brackets + at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_suffix_goes_before_the_port() {
        for (host, shadow) in [
            ("api.example.com", "api.example.com-shadow"),
            ("api.example.com:8000", "api.example.com-shadow:8000"),
            ("API.Example.com", "API.Example.com-shadow"),
            ("a-shadow", "a-shadow-shadow"),
            ("[::1]", "[::1]-shadow"),
            ("[::1]:80", "[::1]-shadow:80"),
            ("127.0.0.1:1", "127.0.0.1-shadow:1"),
            ("", "-shadow"),
        ] {
            assert_eq!(add(host.as_bytes()), shadow.as_bytes());
            assert_eq!(remove(shadow.as_bytes()), host.as_bytes());
        }
        assert_eq!(remove(b"api.example.com:80"), b"api.example.com:80");
    }

    proptest! {
        #[test]
        fn remove_undoes_add_for_any_bytes(authority: Vec<u8>) {
            prop_assert_eq!(remove(&add(&authority)), authority);
        }
    }
}
