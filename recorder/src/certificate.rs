//! The certificate that clients are shown, read again when its files change.
//!
//! The files are looked at by content, so that it does not matter how they change: written over, renamed, or behind a
//! symbolic link that is swapped, as Kubernetes does. What cannot be used changes nothing and is said in the log.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use prometheus_client::metrics::counter::Counter;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use umbra_common::dial::Identity;

use crate::config::ListenTls;

/// How often the files are looked at. They are small, and certificates are renewed days before they expire.
const LOOK: Duration = Duration::from_secs(2);

/// The certificate in use.
#[derive(Debug)]
pub(crate) struct Certificate {
    now: ArcSwap<CertifiedKey>,
}

/// How often the files have changed, by what came of it.
#[derive(Debug, Default)]
pub(crate) struct Reloads {
    pub(crate) taken: Counter,
    pub(crate) refused: Counter,
}

/// Looks at the files until it is dropped.
#[derive(Debug)]
pub(crate) struct Watcher {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _client: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.now.load_full())
    }
}

impl Certificate {
    pub(crate) fn new(tls: &ListenTls) -> Arc<Self> {
        Arc::new(Self { now: ArcSwap::new(Arc::clone(&tls.first)) })
    }

    /// Follows its files, on a thread of its own: disks may be slow.
    pub(crate) fn watch(self: &Arc<Self>, identity: Identity, reloads: Arc<Reloads>) -> io::Result<Watcher> {
        let (stop, stopped) = bounded(1);
        let certificate = Arc::clone(self);
        let mut files = Files { seen: contents(&identity), identity };
        // It may have changed since the settings were read.
        if let Ok(now) = files.identity.load() {
            self.now.store(Arc::new(now));
        }
        let thread = std::thread::Builder::new()
            .name("umbra-certificate".into())
            .spawn(move || follow(&certificate, &mut files, &reloads, &stopped))?;
        Ok(Watcher { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the certificate's thread panicked");
        }
    }
}

type Contents = (io::Result<Vec<u8>>, io::Result<Vec<u8>>);

#[derive(Debug)]
struct Files {
    identity: Identity,
    /// As they were when they were last tried.
    seen: Contents,
}

fn contents(identity: &Identity) -> Contents {
    (std::fs::read(&identity.cert), std::fs::read(&identity.key))
}

fn same(a: &io::Result<Vec<u8>>, b: &io::Result<Vec<u8>>) -> bool {
    match (a, b) {
        (Ok(a), Ok(b)) => a == b,
        (Err(a), Err(b)) => a.kind() == b.kind(),
        _ => false,
    }
}

fn follow(certificate: &Certificate, files: &mut Files, reloads: &Reloads, stopped: &Receiver<()>) {
    while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(LOOK) {
        let now = contents(&files.identity);
        if same(&now.0, &files.seen.0) && same(&now.1, &files.seen.1) {
            continue;
        }
        files.seen = now;
        match files.identity.load() {
            Ok(new) => {
                certificate.now.store(Arc::new(new));
                reloads.taken.inc();
                tracing::info!(file = %files.identity.cert.display(), "the certificate has changed; new connections get it");
            }
            Err(error) => {
                reloads.refused.inc();
                tracing::warn!(%error, "the certificate has changed and cannot be used; the last good one stays in use");
            }
        }
    }
}
