//! The guard: no shadow request to the service that the traffic was recorded in front of.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use umbra_common::dial::Pinned;

use super::Target;
use crate::error::RunError;

/// Knows one target's addresses, and the upstreams that have been compared with them.
#[derive(Debug)]
pub struct Guard {
    target: Target,
    /// Empty where the check is switched off.
    addresses: Vec<SocketAddr>,
    /// Nearly always one: the recorders of one service have one upstream.
    cleared: Vec<Arc<str>>,
}

/// As many upstreams are remembered; beyond that, all are forgotten and compared again.
const REMEMBERED: usize = 64;

impl Guard {
    /// Looks the target up, unless its address is given. `off` is `--allow-production-target`.
    pub fn new(target: Target, pinned: &[Pinned], off: bool) -> Result<Self, RunError> {
        let given = pinned.iter().find_map(|pinned| pinned.applies(&target.url.host, target.url.port));
        let addresses = if off {
            Vec::new()
        } else if let Some(given) = given {
            vec![given]
        } else {
            let why = |e: std::io::Error| RunError::Resolve { target: target.to_string(), why: e.to_string() };
            (target.url.host.as_str(), target.url.port).to_socket_addrs().map_err(why)?.collect()
        };
        Ok(Self { target, addresses, cleared: Vec::new() })
    }

    /// Fails where traffic that went to `upstream` would go to the same address again.
    pub fn check(&mut self, upstream: &Arc<str>) -> Result<(), RunError> {
        if self.addresses.is_empty() || self.cleared.contains(upstream) {
            return Ok(());
        }
        if let Some(address) = addresses(upstream).into_iter().find(|a| self.addresses.contains(a)) {
            return Err(RunError::ProductionTarget {
                target: self.target.name.to_string(),
                address,
                upstream: upstream.to_string(),
            });
        }
        if self.cleared.len() >= REMEMBERED {
            self.cleared.clear();
        }
        self.cleared.push(Arc::clone(upstream));
        Ok(())
    }
}

/// The addresses of an upstream as recorded; none where its name means nothing here, or there was none.
fn addresses(upstream: &str) -> Vec<SocketAddr> {
    let (scheme, rest) = upstream.split_once("://").unwrap_or(("http", upstream));
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let default = if scheme == "https" { 443 } else { 80 };
    let Ok(authority) = authority.parse::<http::uri::Authority>() else { return Vec::new() };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let found = (host, authority.port_u16().unwrap_or(default)).to_socket_addrs();
    found.map(Iterator::collect).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(target: &str, upstream: &str, off: bool) -> Result<(), String> {
        let mut guard = Guard::new(target.parse().unwrap(), &[], off).unwrap();
        guard.check(&upstream.into()).map_err(|e| e.to_string())
    }

    #[test]
    fn the_recorded_upstream_is_refused_however_it_is_written() {
        let target = "v1=http://127.0.0.1:3000";
        for upstream in ["http://127.0.0.1:3000", "h2c://localhost:3000", "127.0.0.1:3000/"] {
            assert!(check(target, upstream, false).unwrap_err().contains("--allow-production-target"), "{upstream}");
            assert_eq!(check(target, upstream, true), Ok(()));
        }
        for upstream in ["http://127.0.0.1:3001", "", "http://127.0.0.1", "no such name"] {
            assert_eq!(check(target, upstream, false), Ok(()), "{upstream}");
        }
        assert!(check("v6=http://[::1]", "http://[::1]:80", false).is_err());
        assert!(check("tls=https://127.0.0.1", "https://127.0.0.1", false).is_err());
    }

    #[test]
    fn a_name_is_judged_by_the_address_that_is_given_for_it() {
        let pinned = ["staging.test:3000:127.0.0.1".parse().unwrap()];
        let mut guard = Guard::new("v1=http://staging.test:3000".parse().unwrap(), &pinned, false).unwrap();
        assert!(guard.check(&"http://127.0.0.1:3000".into()).is_err());
        assert!(guard.check(&"http://127.0.0.2:3000".into()).is_ok());
    }
}
