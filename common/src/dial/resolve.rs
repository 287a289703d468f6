//! Names to addresses: asked of DNS once for each time to live, whoever wants to know.
//!
//! A name server that does not answer changes nothing for names that are known: the last answer is used until there is a
//! new one. That a name does not exist is an answer; it is believed, but not for long.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use tokio::sync::watch;
use tokio::time::timeout;

use super::pinned::Pinned;

/// An answer is used for at least this long, so that a time to live of 0 does not mean a query for each connection; a
/// question that failed is not asked again for as long.
const SHORTEST: Duration = Duration::from_secs(1);

/// An answer is used for at most this long. The hosts file has no time to live at all, and a name that moves in spite of a
/// long one is followed too; one query a minute is nothing to a name server.
const LONGEST: Duration = Duration::from_secs(60);

/// How long a new answer is waited for where there is an old one.
const PATIENCE: Duration = Duration::from_millis(500);

/// Why a name has no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// DNS knows no address for it.
    #[error("there is no address for the name '{0}': is it spelt right, and in DNS or the hosts file?")]
    NoSuchName(Arc<str>),
    /// DNS gave no answer.
    #[error("the name '{host}' cannot be looked up: {why}")]
    Failed {
        /// The name.
        host: Arc<str>,
        /// Why.
        why: Arc<str>,
    },
}

/// Looks names up. Clones share what they know.
///
/// Its queries run on the runtime that first asks for a name, so programs with several runtimes give each its own.
#[derive(Clone, Debug, Default)]
pub struct Resolver(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    servers: Vec<SocketAddr>,
    pinned: Vec<Pinned>,
    names: Mutex<HashMap<Arc<str>, Name>>,
}

/// What is known of one name.
#[derive(Debug, Default)]
struct Name {
    answer: Option<Arc<[IpAddr]>>,
    /// Nothing is asked before this.
    good_until: Option<Instant>,
    error: Option<ResolveError>,
    /// Closed when the question that is under way has been answered.
    asking: Option<watch::Receiver<()>>,
}

impl Resolver {
    /// By the name servers of the system's configuration, or those given; `pinned` goes over both.
    pub fn new(servers: Vec<SocketAddr>, pinned: Vec<Pinned>) -> Self {
        Self(Arc::new(Inner { servers, pinned, names: Mutex::default() }))
    }

    /// The addresses of a host: a name, an IP address, or `localhost`. At least one.
    pub async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, ResolveError> {
        if let Some(address) = self.0.pinned.iter().find_map(|p| p.applies(host, port)) {
            return Ok(vec![address]);
        }
        let with_port = |ips: &[IpAddr]| ips.iter().map(|ip| SocketAddr::new(*ip, port)).collect();
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Ok(with_port(&[ip]));
        }
        if host.eq_ignore_ascii_case("localhost") {
            return Ok(with_port(&[Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]));
        }
        self.look_up(host).await.map(|ips| with_port(&ips))
    }

    async fn look_up(&self, host: &str) -> Result<Arc<[IpAddr]>, ResolveError> {
        let (old, mut asking) = {
            let mut names = self.0.names();
            let name = match names.get_mut(host) {
                Some(name) => name,
                None => names.entry(host.into()).or_default(),
            };
            if name.good_until.is_some_and(|until| Instant::now() < until)
                && let Some(known) = name.known()
            {
                return known;
            }
            (name.answer.clone(), name.ask(&self.0, host))
        };
        // The sender sends nothing; it is dropped.
        let answered = async { while asking.changed().await.is_ok() {} };
        match old {
            None => answered.await,
            Some(old) => {
                if timeout(PATIENCE, answered).await.is_err() {
                    return Ok(old);
                }
            }
        }
        let unknown = || ResolveError::Failed { host: host.into(), why: "the query was given up".into() };
        self.0.names().get(host).and_then(Name::known).unwrap_or_else(|| Err(unknown()))
    }
}

impl Inner {
    fn names(&self) -> MutexGuard<'_, HashMap<Arc<str>, Name>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Name {
    /// An address is better than the reason why there is no newer one.
    fn known(&self) -> Option<Result<Arc<[IpAddr]>, ResolveError>> {
        self.answer.clone().map(Ok).or_else(|| self.error.clone().map(Err))
    }

    /// Joins the question that is under way, or asks it. It goes on if everyone who waits goes away.
    fn ask(&mut self, all: &Arc<Inner>, host: &str) -> watch::Receiver<()> {
        if let Some(asking) = &self.asking
            && asking.has_changed().is_ok()
        {
            return asking.clone();
        }
        let (answered, asking) = watch::channel(());
        self.asking = Some(asking.clone());
        let (all, host) = (Arc::clone(all), Arc::<str>::from(host));
        tokio::spawn(async move {
            let answer = query(&all.servers, &host).await;
            all.names().entry(host).or_default().learn(answer, Instant::now());
            drop(answered);
        });
        asking
    }

    fn learn(&mut self, answer: Result<(Arc<[IpAddr]>, Duration), ResolveError>, now: Instant) {
        let (answer, good_for) = match answer {
            Ok((addresses, ttl)) => (Ok(addresses), ttl.clamp(SHORTEST, LONGEST)),
            Err(error) => (Err(error), SHORTEST),
        };
        self.good_until = Some(now + good_for);
        match answer {
            Ok(addresses) => (self.answer, self.error) = (Some(addresses), None),
            Err(error @ ResolveError::NoSuchName(_)) => (self.answer, self.error) = (None, Some(error)),
            Err(error) => {
                if self.answer.is_some() {
                    tracing::warn!(%error, "the last answer stays in use");
                }
                self.error = Some(error);
            }
        }
    }
}

/// Asks by a configuration that is read anew each time, as the system's own functions do.
async fn query(servers: &[SocketAddr], host: &Arc<str>) -> Result<(Arc<[IpAddr]>, Duration), ResolveError> {
    let found = async {
        let lookup = client(servers)?.lookup_ip(&**host).await?;
        Ok::<_, NetError>((lookup.iter().collect::<Vec<_>>(), lookup.valid_until()))
    };
    match found.await {
        Ok((ips, _)) if ips.is_empty() => Err(ResolveError::NoSuchName(Arc::clone(host))),
        Ok((ips, until)) => Ok((ips.into(), until.saturating_duration_since(Instant::now()))),
        Err(error) if error.is_no_records_found() => Err(ResolveError::NoSuchName(Arc::clone(host))),
        Err(error) => Err(ResolveError::Failed { host: Arc::clone(host), why: error.to_string().into() }),
    }
}

fn client(servers: &[SocketAddr]) -> Result<TokioResolver, NetError> {
    let mut builder = match servers {
        // A system without name servers has one of its own (resolv.conf(5)).
        [] => TokioResolver::builder_tokio().unwrap_or_else(|_| by(&[(Ipv4Addr::LOCALHOST, 53).into()])),
        servers => by(servers),
    };
    // Answers are kept here.
    builder.options_mut().cache_size = 0;
    builder.build()
}

fn by(servers: &[SocketAddr]) -> hickory_resolver::ResolverBuilder<TokioRuntimeProvider> {
    let servers = servers.iter().map(|server| {
        let mut config = NameServerConfig::udp_and_tcp(server.ip());
        config.connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
        for connection in &mut config.connections {
            connection.port = server.port();
        }
        config
    });
    let config = ResolverConfig::from_parts(None, Vec::new(), servers.collect());
    TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const IP: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7));

    fn answer(ttl: Duration) -> Result<(Arc<[IpAddr]>, Duration), ResolveError> {
        Ok((Arc::from([IP]), ttl))
    }

    fn failure() -> ResolveError {
        ResolveError::Failed { host: "api".into(), why: "no answer".into() }
    }

    #[tokio::test]
    async fn addresses_localhost_and_pinned_names_need_no_dns() {
        // Nobody listens at port 1.
        let resolver = Resolver::new(vec!["127.0.0.1:1".parse().unwrap()], vec!["api:443:10.0.0.7".parse().unwrap()]);
        for (host, port, addresses) in [
            ("127.0.0.1", 80, vec!["127.0.0.1:80"]),
            ("::1", 80, vec!["[::1]:80"]),
            ("LocalHost", 80, vec!["127.0.0.1:80", "[::1]:80"]),
            ("API", 443, vec!["10.0.0.7:443"]),
        ] {
            let found: Vec<_> = resolver.resolve(host, port).await.unwrap().iter().map(ToString::to_string).collect();
            assert_eq!(found, addresses, "{host}");
        }
    }

    #[test]
    fn an_answer_is_good_for_its_time_to_live_within_limits() {
        let now = Instant::now();
        for (ttl, good_for) in [(0, SHORTEST), (30, Duration::from_secs(30)), (86_400, LONGEST)] {
            let mut name = Name::default();
            name.learn(answer(Duration::from_secs(ttl)), now);
            assert_eq!(name.good_until, Some(now + good_for));
        }
    }

    #[test]
    fn a_failure_leaves_the_last_answer_in_use_but_a_name_that_is_gone_is_gone() {
        let now = Instant::now();
        let mut name = Name::default();
        name.learn(Err(failure()), now);
        assert_eq!((name.known(), name.good_until), (Some(Err(failure())), Some(now + SHORTEST)));
        name.learn(answer(SHORTEST), now);
        name.learn(Err(failure()), now);
        assert_eq!(name.known(), Some(Ok(Arc::from([IP]))));
        let gone = ResolveError::NoSuchName("api".into());
        name.learn(Err(gone.clone()), now);
        assert_eq!(name.known(), Some(Err(gone)));
    }
}
