//! TLS before a server that has none.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::server::WebPkiClientVerifier;
use rustls::sign::SingleCertAndKey;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;
use umbra_common::dial::{Identity, crypto};

use crate::certificates::Authority;

/// What one handshake came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// The protocol that was agreed on.
    pub alpn: Option<String>,
    /// The name that the client asked for.
    pub name: Option<String>,
    /// Whether the client showed a certificate.
    pub certified: bool,
}

/// How a front speaks TLS.
#[derive(Clone, Copy)]
pub struct TlsFrontSettings<'a> {
    /// Its certificate.
    pub identity: &'a Identity,
    /// The protocols it takes, in the order of its preference.
    pub alpn: &'a [&'a str],
    /// Whose certificates clients have to show; none need to where this is nobody.
    pub clients_of: Option<&'a Authority>,
}

/// The front. Ends, with all of its connections, when it is dropped.
pub struct TlsFront {
    addr: SocketAddr,
    handshakes: Arc<Mutex<Vec<Handshake>>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl TlsFront {
    /// In front of the server at `to`.
    pub fn before(to: SocketAddr, settings: TlsFrontSettings<'_>) -> Self {
        let config = settings.config();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let handshakes = Arc::<Mutex<Vec<Handshake>>>::default();
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let seen = Arc::clone(&handshakes);
        let thread = std::thread::spawn(move || {
            runtime.block_on(async move {
                let (listener, acceptor) = (TcpListener::from_std(listener).unwrap(), TlsAcceptor::from(config));
                tokio::select! {
                    () = accept(&listener, &acceptor, to, &seen) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { addr, handshakes, stop: Some(stop), thread: Some(thread) }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The handshakes that succeeded.
    pub fn handshakes(&self) -> Vec<Handshake> {
        self.handshakes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl TlsFrontSettings<'_> {
    fn config(self) -> Arc<ServerConfig> {
        let builder = ServerConfig::builder_with_provider(crypto()).with_safe_default_protocol_versions().unwrap();
        let builder = match self.clients_of {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(authority.certificate()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), crypto()).build().unwrap();
                builder.with_client_cert_verifier(verifier)
            }
        };
        let identity = self.identity.load().unwrap_or_else(|e| panic!("{e}"));
        let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(identity)));
        config.alpn_protocols = self.alpn.iter().map(|p| p.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}

async fn accept(listener: &TcpListener, acceptor: &TlsAcceptor, to: SocketAddr, seen: &Arc<Mutex<Vec<Handshake>>>) {
    while let Ok((client, _)) = listener.accept().await {
        client.set_nodelay(true).unwrap();
        let (acceptor, seen) = (acceptor.clone(), Arc::clone(seen));
        tokio::spawn(async move {
            // A handshake that fails, and a side that breaks off, are what tests look at from outside.
            let Ok(mut client) = acceptor.accept(client).await else { return };
            let connection = client.get_ref().1;
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let handshake = Handshake {
                alpn: connection.alpn_protocol().map(text),
                name: connection.server_name().map(ToOwned::to_owned),
                certified: connection.peer_certificates().is_some(),
            };
            seen.lock().unwrap_or_else(PoisonError::into_inner).push(handshake);
            let Ok(mut server) = TcpStream::connect(to).await else { return };
            server.set_nodelay(true).unwrap();
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        });
    }
}
