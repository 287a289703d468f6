//! A client that sends the bytes it is given through TLS.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::{ClientConfig, ClientConnection, StreamOwned};
use umbra_common::dial::TlsSettings;

use crate::certificates::Authority;
use crate::wait::DEADLINE;

/// One connection.
pub struct TlsConnection {
    stream: StreamOwned<ClientConnection, TcpStream>,
}

impl TlsConnection {
    /// Does a handshake with `to`, whose certificate has to be `authority`'s and for `name`.
    pub fn try_connect(
        to: SocketAddr,
        authority: &Authority,
        name: &str,
        alpn: &[&str],
    ) -> Result<Self, std::io::Error> {
        let settings = TlsSettings { ca: Some(authority.file()), ..TlsSettings::default() };
        let alpn: Vec<&[u8]> = alpn.iter().map(|p| p.as_bytes()).collect();
        let config: Arc<ClientConfig> = settings.client(&alpn).unwrap();
        let client = ClientConnection::new(config, name.to_owned().try_into().unwrap()).unwrap();
        let tcp = TcpStream::connect(to)?;
        tcp.set_read_timeout(Some(DEADLINE))?;
        tcp.set_nodelay(true)?;
        let mut stream = StreamOwned::new(client, tcp);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Self { stream })
    }

    /// The same, which has to succeed.
    pub fn connect(to: SocketAddr, authority: &Authority, name: &str, alpn: &[&str]) -> Self {
        Self::try_connect(to, authority, name, alpn).unwrap_or_else(|e| panic!("TLS with {to}: {e}"))
    }

    /// The protocol that was agreed on.
    pub fn alpn(&self) -> Option<String> {
        self.stream.conn.alpn_protocol().map(|p| String::from_utf8_lossy(p).into_owned())
    }

    /// The certificate that the server showed.
    pub fn certificate(&self) -> Vec<u8> {
        self.stream.conn.peer_certificates().unwrap()[0].to_vec()
    }

    /// Sends bytes, and reads all that comes until the server closes.
    pub fn exchange(mut self, bytes: &[u8]) -> String {
        self.stream.write_all(bytes).unwrap_or_else(|e| panic!("sending: {e}"));
        let mut answer = Vec::new();
        // A server may close without a goodbye; what came before it counts.
        let _ = self.stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }
}
