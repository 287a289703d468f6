//! Whether a program on this host is ready: for images that hold nothing but the program, and so no other that could ask.
//!
//! One fixed request over a plain socket; this crate has no HTTP client.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// For each step: connecting, sending, the answer. A probe that takes longer says that something is wrong.
const PATIENCE: Duration = Duration::from_secs(2);

/// A program that is not ready, or is not there.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// It answers, and not with 200.
    #[error("the program at {0} is not ready: it is starting or draining")]
    NotReady(SocketAddr),
    /// It gives no answer.
    #[error("nothing answers at {at}: {why}; is --admin that of the program that runs?")]
    Silent {
        /// Where it was asked.
        at: SocketAddr,
        /// Why there is none.
        why: io::Error,
    },
}

/// Asks `/readyz` of the admin listener at `admin`; where that listens on all addresses, on loopback.
pub fn probe(admin: SocketAddr) -> Result<(), ProbeError> {
    let ip = match admin.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let at = SocketAddr::new(ip, admin.port());
    match answers_200(at) {
        Ok(true) => Ok(()),
        Ok(false) => Err(ProbeError::NotReady(at)),
        Err(why) => Err(ProbeError::Silent { at, why }),
    }
}

fn answers_200(at: SocketAddr) -> io::Result<bool> {
    let mut stream = TcpStream::connect_timeout(&at, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut status = [0; b"HTTP/1.1 200".len()];
    stream.read_exact(&mut status)?;
    Ok(status.ends_with(b" 200"))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn answering(text: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = [0; 1024];
            let _ = stream.read(&mut head).unwrap();
            stream.write_all(text.as_bytes()).unwrap();
        });
        SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port)
    }

    #[test]
    fn only_a_200_is_ready() {
        probe(answering("HTTP/1.1 200 OK\r\n\r\n")).unwrap();
        let draining = probe(answering("HTTP/1.1 503 Service Unavailable\r\n\r\n"));
        assert!(matches!(draining, Err(ProbeError::NotReady(_))), "{draining:?}");
        let cut = probe(answering("HTTP"));
        assert!(matches!(cut, Err(ProbeError::Silent { .. })), "{cut:?}");
    }

    #[test]
    fn where_nobody_listens_nothing_is_ready() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let nobody = probe(free).unwrap_err().to_string();
        assert!(nobody.contains(&free.to_string()) && nobody.contains("--admin"), "{nobody}");
    }
}
