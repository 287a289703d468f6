//! Addresses that tests need besides those that something listens on.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

/// An address that refuses connections for as long as this lives: the port is held, and nobody listens on it.
#[derive(Debug)]
pub struct Refusing {
    _held: Socket,
    addr: SocketAddr,
}

impl Refusing {
    /// Takes a free port.
    pub fn new() -> Self {
        let held = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        held.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let addr = held.local_addr().unwrap().as_socket().unwrap();
        Self { _held: held, addr }
    }

    /// The address.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Default for Refusing {
    fn default() -> Self {
        Self::new()
    }
}

/// An address where connections are neither taken nor refused: what is sent to it gets lost.
#[derive(Debug)]
pub struct BlackHole {
    _listener: Socket,
    /// They fill what the kernel takes on its own for a listener that accepts nothing.
    _filling: Vec<TcpStream>,
    addr: SocketAddr,
}

impl BlackHole {
    /// At this address.
    pub fn at(addr: SocketAddr) -> Self {
        let listener = Socket::new(Domain::for_address(addr), Type::STREAM, None).unwrap();
        listener.set_reuse_address(true).unwrap();
        listener.bind(&addr.into()).unwrap_or_else(|e| panic!("binding {addr}: {e}"));
        listener.listen(0).unwrap();
        let addr = listener.local_addr().unwrap().as_socket().unwrap();
        let mut filling = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&addr, Duration::from_millis(200)) {
            filling.push(stream);
        }
        Self { _listener: listener, _filling: filling, addr }
    }

    /// The address.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

/// An address that is free, and will be unless somebody else takes it in the same moment.
pub fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
