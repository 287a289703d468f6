//! Connections to the upstream, whichever of its addresses they go to.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use umbra_common::dial::{Connection, DialError, Dialer, Resolver, TlsClient};

use super::Failure;
use crate::config::{Dialing, Upstream, UpstreamTls};

/// An upstream that takes no connections is logged this often by each worker.
const COMPLAINT: Duration = Duration::from_secs(10);

/// How often the name is looked at again. DNS is asked only when what it said has expired.
const LOOK: Duration = Duration::from_secs(1);

/// An address that no answer of DNS has named for this long is gone. Not with the first: some name servers name only a few
/// of many addresses at a time.
const GONE: Duration = Duration::from_secs(5);

/// Makes one worker's connections, and knows which of them still go to the right place.
#[derive(Debug)]
pub(super) struct Connector {
    dialer: Dialer,
    tls: Option<UpstreamTls>,
    limit: Duration,
    complained: Cell<Option<Instant>>,
    looked: Cell<Option<Instant>>,
    /// When each address was last named.
    named: RefCell<Vec<(SocketAddr, Instant)>>,
    /// Grows with each address that is gone.
    gone: Cell<u64>,
}

/// Where a connection goes, and whether it may go on doing so.
#[derive(Debug)]
pub(super) struct Place {
    address: SocketAddr,
    seen: Cell<u64>,
}

impl Connector {
    pub(super) fn new(upstream: &Upstream, dialing: &Dialing) -> Rc<Self> {
        // The queries run on this worker's runtime, so the names are its own too.
        let resolver = Resolver::new(dialing.dns_servers.clone(), Vec::new());
        let dialer = Dialer::new(upstream.host(), upstream.port(), resolver, dialing.timeout);
        Rc::new(Self {
            dialer,
            tls: dialing.tls.clone(),
            limit: dialing.timeout,
            complained: Cell::new(None),
            looked: Cell::new(None),
            named: RefCell::default(),
            gone: Cell::new(0),
        })
    }

    /// Whether connections have TLS, with which a connection's protocol is agreed on.
    pub(super) fn agrees(&self) -> bool {
        self.tls.is_some()
    }

    /// One for HTTP/1.1.
    pub(super) async fn http1(&self) -> Result<Connection, Failure> {
        self.dial(self.tls.as_ref().map(|tls| &tls.http1)).await.map_err(|error| self.failed(error))
    }

    /// One for HTTP/2; nothing where the upstream agrees to HTTP/1.1 alone.
    pub(super) async fn http2(&self) -> Result<Option<Connection>, Failure> {
        let made = self.dial(self.tls.as_ref().map(|tls| &tls.http2)).await.map_err(|error| self.failed(error))?;
        let is_http2 = !self.agrees() || made.stream.alpn() == Some(b"h2");
        Ok(is_http2.then_some(made))
    }

    /// In a box of its own: most requests need no connection, and would carry the room for making one.
    fn dial<'a>(
        &'a self,
        tls: Option<&'a TlsClient>,
    ) -> Pin<Box<dyn Future<Output = Result<Connection, DialError>> + 'a>> {
        Box::pin(self.dialer.connect(tls))
    }

    /// The longest that anything about a new connection takes.
    pub(super) fn limit(&self) -> Duration {
        self.limit
    }

    /// A connection came about, but no HTTP/2 on it.
    pub(super) fn no_start(&self, address: SocketAddr) -> Failure {
        self.failed(DialError::TimedOut { to: format!("HTTP/2 at {address}"), limit: self.limit })
    }

    fn failed(&self, error: DialError) -> Failure {
        let now = Instant::now();
        if self.complained.get().is_none_or(|at| now.saturating_duration_since(at) >= COMPLAINT) {
            self.complained.set(Some(now));
            tracing::warn!(%error, "no connection to the upstream");
        }
        Failure::Connect(Arc::new(error))
    }

    pub(super) fn place(&self, address: SocketAddr) -> Place {
        Place { address, seen: Cell::new(self.gone.get()) }
    }

    /// Whether DNS still names a connection's address. Costs a comparison as long as nothing has changed.
    pub(super) fn is_current(&self, place: &Place) -> bool {
        let gone = self.gone.get();
        if place.seen.get() == gone {
            return true;
        }
        let is_named = self.named.borrow().iter().any(|(address, _)| *address == place.address);
        if is_named {
            place.seen.set(gone);
        }
        is_named
    }

    /// Follows the name. To be called often.
    pub(super) fn look(self: &Rc<Self>, now: Instant) {
        if !self.dialer.is_named() || self.looked.get().is_some_and(|at| now.saturating_duration_since(at) < LOOK) {
            return;
        }
        self.looked.set(Some(now));
        let this = Rc::clone(self);
        tokio::task::spawn_local(async move {
            // Without an answer, what is known stays true.
            if let Ok(addresses) = this.dialer.addresses().await {
                this.learn(&addresses, Instant::now());
            }
        });
    }

    fn learn(&self, addresses: &[SocketAddr], now: Instant) {
        let mut named = self.named.borrow_mut();
        named.retain(|(address, _)| !addresses.contains(address));
        let before = named.len();
        named.retain(|(_, at)| now.saturating_duration_since(*at) < GONE);
        if named.len() < before {
            self.gone.set(self.gone.get() + 1);
        }
        named.extend(addresses.iter().map(|address| (*address, now)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_no_longer_named_is_gone_after_a_while() {
        let upstream: Upstream = "http://api".parse().unwrap();
        let dialing = Dialing { tls: None, timeout: Duration::from_secs(1), dns_servers: Vec::new() };
        let connector = Connector::new(&upstream, &dialing);
        let [a, b]: [SocketAddr; 2] = ["10.0.0.1:80", "10.0.0.2:80"].map(|a| a.parse().unwrap());
        let start = Instant::now();
        connector.learn(&[a, b], start);
        let (to_a, to_b) = (connector.place(a), connector.place(b));
        connector.learn(&[b], start + GONE / 2);
        assert!(connector.is_current(&to_a) && connector.is_current(&to_b));
        connector.learn(&[b], start + GONE);
        assert!(!connector.is_current(&to_a) && connector.is_current(&to_b));
        connector.learn(&[a, b], start + GONE * 2);
        assert!(connector.is_current(&to_a));
    }
}
