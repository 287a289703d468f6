//! Addresses that tests need besides those that something listens on.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
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

/// The ports that are handed out here. The kernel gives no connection and no listener on port 0 one of them, as long as its
/// own begin at 32768 (ip(7), `ip_local_port_range`): so they can be left and taken again.
const OWN: std::ops::Range<u32> = 20_000..32_768;

/// A port on loopback that nobody listens on, and that nobody is given by chance while whoever asked for it is away.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Other test processes begin elsewhere.
    let _ = NEXT.compare_exchange(0, fastrand::u32(OWN), Ordering::Relaxed, Ordering::Relaxed);
    let count = OWN.end - OWN.start;
    let next = || (OWN.start + NEXT.fetch_add(1, Ordering::Relaxed) % count) as u16;
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    (0..count).map(|_| next()).find(is_free).expect("a free port on loopback")
}

/// The same, as an address.
pub fn free_address() -> SocketAddr {
    ([127, 0, 0, 1], free_port()).into()
}
