//! Addresses that tests need besides those that something listens on.

use std::net::SocketAddr;

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
