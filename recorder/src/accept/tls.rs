//! TLS towards clients: the handshake, and the protocol that it agrees on.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::ring::Ticketer;
use rustls::server::ResolvesServerCert;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use umbra_common::dial::crypto;

use super::sniff::Spoken;

/// The longest a handshake takes: a few round trips, with room for a client that is far away.
pub(super) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// What all workers do handshakes by: TLS 1.2 and 1.3, HTTP/2 preferred. A session can go on at any worker.
pub(crate) fn settings(certificate: Arc<dyn ResolvesServerCert>) -> Result<Arc<ServerConfig>, rustls::Error> {
    let builder = ServerConfig::builder_with_provider(crypto()).with_safe_default_protocol_versions()?;
    let mut config = builder.with_no_client_auth().with_cert_resolver(certificate);
    config.alpn_protocols = vec![HTTP2.to_vec(), HTTP1.to_vec()];
    config.ticketer = Ticketer::new()?;
    Ok(Arc::new(config))
}

/// Does the handshake. A client without ALPN speaks HTTP/1 (RFC 9113, 3.2).
pub(super) async fn handshake<S>(stream: S, settings: &Arc<ServerConfig>) -> io::Result<(TlsStream<S>, Spoken)>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let stream = TlsAcceptor::from(Arc::clone(settings)).accept(stream).await?;
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(HTTP2);
    Ok((stream, if is_http2 { Spoken::Http2 } else { Spoken::Http1 }))
}
