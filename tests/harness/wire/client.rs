//! A client that sends the bytes it is given.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};

use socket2::{Domain, Socket, Type};

use super::{Head, RawBody, Wire};
use crate::wait::DEADLINE;

/// One connection. Every wait on it ends with [`DEADLINE`].
#[derive(Debug)]
pub struct RawClient {
    wire: Wire,
}

/// A response as it came over the wire.
#[derive(Clone, Debug)]
pub struct RawResponse {
    /// The 1xx heads before the final one.
    pub interim: Vec<Head>,
    /// The final head.
    pub head: Head,
    /// The body.
    pub body: RawBody,
}

impl RawResponse {
    /// The final status code.
    pub fn status(&self) -> u16 {
        self.head.status()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body.bytes).into_owned()
    }
}

impl RawClient {
    /// A connection to `to`.
    pub fn connect(to: SocketAddr) -> Self {
        Self::over(TcpStream::connect_timeout(&to, DEADLINE).unwrap_or_else(|e| panic!("connecting to {to}: {e}")))
    }

    fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { wire: Wire::new(stream) }
    }

    /// A connection from an address of this host.
    pub fn connect_from(from: IpAddr, to: SocketAddr) -> Self {
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::new(from, 0).into()).unwrap_or_else(|e| panic!("binding to {from}: {e}"));
        socket.connect(&to.into()).unwrap_or_else(|e| panic!("connecting to {to}: {e}"));
        Self::over(socket.into())
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).unwrap_or_else(|e| panic!("sending a request: {e}"));
    }

    /// Sends bytes as they are, to a peer that may have closed.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.wire.stream.write_all(bytes.as_ref())
    }

    /// The next head, of an interim or a final response.
    pub fn head(&mut self) -> Head {
        self.try_head().unwrap_or_else(|e| panic!("no response head: {e}"))
    }

    fn try_head(&mut self) -> io::Result<Head> {
        self.wire.head()?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// The final response to a request that was not HEAD.
    pub fn response(&mut self) -> RawResponse {
        self.try_response(b"GET").unwrap_or_else(|e| panic!("no whole response: {e}"))
    }

    /// The final response to a request with `method`, or how the connection failed.
    pub fn try_response(&mut self, method: &[u8]) -> io::Result<RawResponse> {
        let mut interim = Vec::new();
        let head = loop {
            let head = self.try_head()?;
            match head.status() {
                101 => break head,
                100..=199 => interim.push(head),
                _ => break head,
            }
        };
        let mut body = RawBody::default();
        self.wire.body(head.response_framing(method), &mut body)?;
        Ok(RawResponse { interim, head, body })
    }

    /// Sends one request and reads its response.
    pub fn exchange(&mut self, request: impl AsRef<[u8]>) -> RawResponse {
        let request = request.as_ref();
        self.send(request);
        let method = request.split(|b| *b == b' ').next().unwrap_or_default();
        self.try_response(method).unwrap_or_else(|e| panic!("no whole response: {e}"))
    }

    /// The next bytes, at least one; none where the peer has closed.
    pub fn bytes(&mut self) -> Vec<u8> {
        if !self.wire.ahead.is_empty() {
            return std::mem::take(&mut self.wire.ahead);
        }
        let mut buffer = [0; 64 << 10];
        let n = self.wire.stream.read(&mut buffer).unwrap_or_else(|e| panic!("reading: {e}"));
        buffer[..n].to_vec()
    }

    /// Whether the peer closes the connection (and sends nothing more) before [`DEADLINE`].
    pub fn is_closed_by_peer(&mut self) -> bool {
        let mut byte = [0];
        self.wire.ahead.is_empty()
            && match self.wire.stream.read(&mut byte) {
                Ok(n) => n == 0,
                Err(e) => e.kind() == io::ErrorKind::ConnectionReset,
            }
    }

    /// Says that nothing more will be sent.
    pub fn finish_sending(&mut self) {
        self.wire.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// Goes away without a goodbye: the peer sees a reset.
    pub fn reset(self) {
        let socket = socket2::Socket::from(self.wire.stream);
        socket.set_linger(Some(std::time::Duration::ZERO)).unwrap();
    }
}

/// One request on a connection of its own.
pub fn exchange(to: SocketAddr, request: impl AsRef<[u8]>) -> RawResponse {
    RawClient::connect(to).exchange(request)
}
