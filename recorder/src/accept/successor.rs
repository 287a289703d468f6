//! Leaving a port to the process that listens on it too, so that no connection falls between the two.
//!
//! Each listener of a `SO_REUSEPORT` group has a queue of its own: closing one resets what its clients have already
//! connected to, and what is half-way there. So a listener that leaves first takes no new connections (a filter drops
//! their SYN, which the client's kernel repeats after a second, to the successor by then), goes on accepting for as long
//! as a handshake takes, and closes with an empty queue. Where the kernel moves the queue of a listener that closes to
//! another one of its group (`net.ipv4.tcp_migrate_req`), there is nothing to do.

use std::fs;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::Duration;

use socket2::{SockFilter, SockRef};

/// A client that has been answered gets its last packet of the handshake here within this time: more than most round
/// trips, and less than the second after which a SYN is repeated.
pub(crate) const HANDSHAKE: Duration = Duration::from_millis(400);

/// Classic BPF over the TCP header: drops what has SYN without ACK, the first packet of a connection.
const NO_SYN: [SockFilter; 5] = {
    const LOAD_BYTE: u16 = 0x30;
    const AND: u16 = 0x54;
    const IS_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    const FLAGS_AT: u32 = 13;
    const SYN: u32 = 0x02;
    const ACK: u32 = 0x10;
    [
        SockFilter::new(LOAD_BYTE, 0, 0, FLAGS_AT),
        SockFilter::new(AND, 0, 0, SYN | ACK),
        SockFilter::new(IS_EQUAL, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ]
};

/// Lets no new connection begin on a listener, while those that have begun are still accepted.
pub(crate) fn take_no_more(listener: &impl AsFd) -> std::io::Result<()> {
    SockRef::from(listener).attach_filter(&NO_SYN)
}

/// Whether a listener has to leave with care: another process listens on the same address besides our own `listeners`,
/// and the kernel moves nothing to it by itself.
pub(crate) fn has_successor(addr: SocketAddr, listeners: usize) -> bool {
    let migrates = fs::read_to_string("/proc/sys/net/ipv4/tcp_migrate_req").is_ok_and(|on| on.trim() == "1");
    if migrates {
        return false;
    }
    let table = if addr.is_ipv4() { "/proc/net/tcp" } else { "/proc/net/tcp6" };
    // Where it cannot be known, care costs some clients a second; the lack of it would cost them a connection.
    fs::File::open(table).map_or(true, |table| listening(std::io::BufReader::new(table), addr) > listeners)
}

/// How many sockets listen on an address, by the kernel's table, in which they stand first.
fn listening(table: impl std::io::BufRead, addr: SocketAddr) -> usize {
    const LISTEN: &str = "0A";
    let local = as_in_table(addr);
    let rows = table.lines().map_while(Result::ok).skip(1);
    let columns = rows.map(|row| {
        let mut columns = row.split_ascii_whitespace().map(ToOwned::to_owned);
        (columns.nth(1), columns.nth(1))
    });
    columns
        .take_while(|(_, state)| state.as_deref() == Some(LISTEN))
        .filter(|(at, _)| at.as_deref() == Some(&local))
        .count()
}

/// An address as the kernel's table has it: 32-bit words in the machine's order, then the port.
fn as_in_table(addr: SocketAddr) -> String {
    use std::fmt::Write;
    let octets = match addr.ip() {
        std::net::IpAddr::V4(ip) => ip.octets().to_vec(),
        std::net::IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let mut text = String::new();
    for word in octets.chunks_exact(4) {
        let _ = write!(text, "{:08X}", u32::from_ne_bytes([word[0], word[1], word[2], word[3]]));
    }
    let _ = write!(text, ":{:04X}", addr.port());
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accept::bind;
    use std::io::ErrorKind;
    use std::net::TcpStream;

    #[test]
    fn listeners_of_an_address_are_counted_in_the_kernels_table() {
        for at in ["127.0.0.1:0", "[::1]:0"] {
            let first = bind(at.parse().unwrap()).unwrap();
            let addr = first.local_addr().unwrap();
            let table = || {
                let table = if addr.is_ipv4() { "/proc/net/tcp" } else { "/proc/net/tcp6" };
                std::io::BufReader::new(fs::File::open(table).unwrap())
            };
            assert_eq!(listening(table(), addr), 1, "{addr}");
            let _second = bind(addr).unwrap();
            let _connection = TcpStream::connect(addr).unwrap();
            assert_eq!(listening(table(), addr), 2, "{addr}");
            assert_eq!(listening(table(), SocketAddr::new(addr.ip(), 1)), 0);
        }
    }

    #[test]
    fn who_has_connected_is_accepted_and_nobody_else_gets_in() {
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let addr = listener.local_addr().unwrap();
        let _early = TcpStream::connect(addr).unwrap();
        take_no_more(&listener).unwrap();
        // The SYN is dropped: the connection neither comes about nor is refused.
        let late = TcpStream::connect_timeout(&addr, Duration::from_millis(50)).unwrap_err();
        assert_eq!(late.kind(), ErrorKind::TimedOut);
        assert!(listener.accept().is_ok());
        assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    }
}
