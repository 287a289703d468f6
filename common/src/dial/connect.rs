//! A connection to one of the addresses behind a name.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::error::DialError;
use super::order::Order;
use super::resolve::{ResolveError, Resolver};
use super::stream::Stream;
use super::tls::TlsClient;

/// An address that has not answered after this time gets company: the next one is tried beside it, and the first
/// that answers is taken (RFC 8305, 5, which recommends this figure).
const HEAD_START: Duration = Duration::from_millis(250);

/// A host that is gone without a word is noticed on an idle connection after half a minute. The kernel asks; the other
/// side's program knows nothing of it.
const PROBED_AFTER: Duration = Duration::from_secs(15);
const PROBE_INTERVAL: Duration = Duration::from_secs(5);
const PROBES: u32 = 3;

/// What a dialer brings.
#[derive(Debug)]
pub struct Connection {
    /// Its bytes.
    pub stream: Stream,
    /// Which of the addresses it goes to.
    pub address: SocketAddr,
}

/// Connects to one host and port, whatever addresses it has.
///
/// Each connection begins with the next address. One that fails is left for the others, and tried last for a while.
#[derive(Debug)]
pub struct Dialer {
    host: String,
    port: u16,
    resolver: Resolver,
    order: Order,
    limit: Duration,
}

impl Dialer {
    /// To a name or an address (IPv6 without brackets). `limit` is the longest that everything takes: the name, all
    /// addresses that are tried, and TLS.
    pub fn new(host: &str, port: u16, resolver: Resolver, limit: Duration) -> Self {
        Self { host: host.to_owned(), port, resolver, order: Order::new(), limit }
    }

    /// Whether it is by a name that other addresses are found.
    pub fn is_named(&self) -> bool {
        self.host.parse::<std::net::IpAddr>().is_err()
    }

    /// The addresses now, in no order.
    pub async fn addresses(&self) -> Result<Vec<SocketAddr>, ResolveError> {
        self.resolver.resolve(&self.host, self.port).await
    }

    /// Connects, with TLS if so told. Nothing but the handshake is sent.
    pub async fn connect(&self, tls: Option<&TlsClient>) -> Result<Connection, DialError> {
        match timeout(self.limit, self.try_all(tls)).await {
            Ok(done) => done,
            Err(_) => Err(DialError::TimedOut { to: format!("{}:{}", self.host, self.port), limit: self.limit }),
        }
    }

    async fn try_all(&self, tls: Option<&TlsClient>) -> Result<Connection, DialError> {
        let addresses = self.addresses().await?;
        let mut left = self.order.arrange(&addresses, Instant::now());
        let until = Instant::now() + self.limit;
        loop {
            let (tcp, address) = self.first_to_answer(&mut left).await?;
            let Some(tls) = tls else {
                self.order.worked(address);
                return Ok(Connection { stream: Stream::Plain(tcp), address });
            };
            // A server that takes connections and then says nothing leaves half of the time to the others.
            let remaining = until.saturating_duration_since(Instant::now());
            let limit = if left.is_empty() { remaining } else { remaining / 2 };
            match self.handshake(tls, tcp, address, limit).await {
                Ok(stream) => {
                    self.order.worked(address);
                    return Ok(Connection { stream, address });
                }
                Err(error) => {
                    self.order.failed_at(address, Instant::now());
                    if left.is_empty() {
                        return Err(error);
                    }
                    tracing::debug!(%error, "trying the next address");
                }
            }
        }
    }

    async fn handshake(
        &self,
        tls: &TlsClient,
        tcp: TcpStream,
        address: SocketAddr,
        limit: Duration,
    ) -> Result<Stream, DialError> {
        match timeout(limit, tls.connector().connect(tls.name().clone(), tcp)).await {
            Ok(Ok(stream)) => Ok(Stream::Tls(Box::new(stream))),
            Ok(Err(error)) => {
                let name = tls.name().to_str().into_owned();
                Err(DialError::Handshake { address, name, why: error.to_string() })
            }
            Err(_) => Err(DialError::TimedOut { to: format!("TLS at {address}"), limit }),
        }
    }

    /// Takes out of `left` what has failed, and the address that answers first.
    async fn first_to_answer(&self, left: &mut Vec<SocketAddr>) -> Result<(TcpStream, SocketAddr), DialError> {
        let mut next = left.clone().into_iter();
        let mut tries = FuturesUnordered::new();
        let attempt = |address| async move { (address, connect(address).await) };
        tries.extend(next.next().map(attempt));
        loop {
            tokio::select! {
                Some((address, result)) = tries.next() => match result {
                    Ok(tcp) => {
                        // Those with a head start were slower by that much.
                        for slow in left.iter().take_while(|a| **a != address) {
                            self.order.failed_at(*slow, Instant::now());
                        }
                        left.retain(|a| *a != address);
                        return Ok((tcp, address));
                    }
                    Err(error) => {
                        self.order.failed_at(address, Instant::now());
                        left.retain(|a| *a != address);
                        if left.is_empty() {
                            return Err(error);
                        }
                        tracing::debug!(%error, "trying the next address");
                        tries.extend(next.next().map(attempt));
                    }
                },
                () = sleep(HEAD_START), if next.len() > 0 => tries.extend(next.next().map(attempt)),
            }
        }
    }
}

async fn connect(address: SocketAddr) -> Result<TcpStream, DialError> {
    let failed = |source| DialError::connect(address, source);
    let tcp = TcpStream::connect(address).await.map_err(failed)?;
    tcp.set_nodelay(true).map_err(failed)?;
    let probes = TcpKeepalive::new().with_time(PROBED_AFTER).with_interval(PROBE_INTERVAL).with_retries(PROBES);
    SockRef::from(&tcp).set_tcp_keepalive(&probes).map_err(failed)?;
    Ok(tcp)
}
