//! The PROXY protocol: what a load balancer says of the client before the client's first byte
//! (haproxy.org, `doc/proxy-protocol.txt`).

use std::io;
use std::net::SocketAddr;

use ppp::{v1, v2};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::config::ProxyProtocol;

/// The longest line of version 1, its end included (section 2.1).
const LONGEST_LINE: usize = 107;
/// Version 2's header without addresses and TLVs.
const FIXED: usize = 16;
/// Where in it the length of the rest is.
const LENGTH: usize = 14;
/// The most that version 2's addresses and TLVs may have. Unix addresses have 216 bytes; a client certificate's names, a
/// VPC's identifier and the like are a few hundred.
const LARGEST_REST: usize = 4 << 10;

/// A connection that does not begin with a header that is valid and allowed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProxyHeaderError {
    /// It broke, or ended within the header.
    #[error("cannot read the PROXY protocol header: {0}")]
    Io(#[from] io::Error),
    /// It begins with something else, or with the version that is not allowed.
    #[error("the connection does not begin with the PROXY protocol header that --proxy-protocol {0} wants")]
    Other(ProxyProtocol),
    /// A line that has no end in sight, or a header with more than may be.
    #[error("the PROXY protocol header is over {0} bytes long")]
    TooLong(usize),
    /// Malformed, version 1.
    #[error("the PROXY protocol header is malformed: {0}")]
    V1(#[from] v1::BinaryParseError),
    /// Malformed, version 2.
    #[error("the PROXY protocol header is malformed: {0}")]
    V2(#[from] v2::ParseError),
}

/// Takes the header off a connection, to the byte. Gives the client that it names; nothing where it names none.
pub(super) async fn read(
    stream: &mut TcpStream,
    allowed: ProxyProtocol,
) -> Result<Option<SocketAddr>, ProxyHeaderError> {
    let mut header = vec![0; v2::PROTOCOL_PREFIX.len()];
    stream.read_exact(&mut header[..1]).await?;
    // What is no header at all is seen by its first byte; nothing that is waited for might never come.
    let is_v2 = header[0] == v2::PROTOCOL_PREFIX[0];
    let wanted = match allowed {
        ProxyProtocol::Off => false,
        ProxyProtocol::V1 => !is_v2,
        ProxyProtocol::V2 => is_v2,
        ProxyProtocol::Any => true,
    };
    if !wanted || !is_v2 && header[0] != v1::PROTOCOL_PREFIX.as_bytes()[0] {
        return Err(ProxyHeaderError::Other(allowed));
    }
    stream.read_exact(&mut header[1..]).await?;
    if is_v2 { binary(stream, header).await } else { line(stream, header).await }
}

async fn binary(stream: &mut TcpStream, mut header: Vec<u8>) -> Result<Option<SocketAddr>, ProxyHeaderError> {
    header.resize(FIXED, 0);
    stream.read_exact(&mut header[v2::PROTOCOL_PREFIX.len()..]).await?;
    let rest = usize::from(u16::from_be_bytes([header[LENGTH], header[LENGTH + 1]]));
    if rest > LARGEST_REST {
        return Err(ProxyHeaderError::TooLong(LARGEST_REST));
    }
    header.resize(FIXED + rest, 0);
    stream.read_exact(&mut header[FIXED..]).await?;
    named_by_v2(&header)
}

async fn line(stream: &mut TcpStream, mut header: Vec<u8>) -> Result<Option<SocketAddr>, ProxyHeaderError> {
    let mut ahead = [0; LONGEST_LINE];
    while header.last() != Some(&b'\n') {
        let room = LONGEST_LINE - header.len();
        if room == 0 {
            return Err(ProxyHeaderError::TooLong(LONGEST_LINE));
        }
        // Looked at before it is taken: what follows the line is the client's.
        let n = stream.peek(&mut ahead[..room]).await?;
        if n == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        let taken = memchr::memchr(b'\n', &ahead[..n]).map_or(n, |at| at + 1);
        stream.read_exact(&mut ahead[..taken]).await?;
        header.extend_from_slice(&ahead[..taken]);
    }
    named_by_v1(&header)
}

fn named_by_v2(header: &[u8]) -> Result<Option<SocketAddr>, ProxyHeaderError> {
    let header = v2::Header::try_from(header)?;
    Ok(match (header.command, header.addresses) {
        // The load balancer's own connection, such as a health check.
        (v2::Command::Local, _) => None,
        (v2::Command::Proxy, v2::Addresses::IPv4(ip)) => Some((ip.source_address, ip.source_port).into()),
        (v2::Command::Proxy, v2::Addresses::IPv6(ip)) => Some((ip.source_address, ip.source_port).into()),
        (v2::Command::Proxy, v2::Addresses::Unspecified | v2::Addresses::Unix(_)) => None,
    })
}

fn named_by_v1(header: &[u8]) -> Result<Option<SocketAddr>, ProxyHeaderError> {
    let line = v1::Header::try_from(header)?;
    // The library takes a line up to its first CR, and a sign before a port.
    if line.header.len() != header.len() || header.contains(&b'+') {
        return Err(v1::BinaryParseError::Parse(v1::ParseError::InvalidSuffix).into());
    }
    Ok(match line.addresses {
        v1::Addresses::Unknown => None,
        v1::Addresses::Tcp4(ip) => Some((ip.source_address, ip.source_port).into()),
        v1::Addresses::Tcp6(ip) => Some((ip.source_address, ip.source_port).into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [v2::PROTOCOL_PREFIX, &[0x20 | command, family], &length, rest].concat()
    }

    fn client(named: Result<Option<SocketAddr>, ProxyHeaderError>) -> String {
        named.map_or("malformed".into(), |client| client.map_or("none".into(), |client| client.to_string()))
    }

    #[test]
    fn lines_name_a_client_or_none() {
        for (line, named) in [
            ("PROXY TCP4 10.1.2.3 10.0.0.1 4000 80\r\n", "10.1.2.3:4000"),
            ("PROXY TCP6 fd00::1 ::1 4000 80\r\n", "[fd00::1]:4000"),
            ("PROXY UNKNOWN\r\n", "none"),
            ("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", "none"),
            ("PROXY TCP4 10.1.2.3 10.0.0.1 4000\r\n", "malformed"),
            ("PROXY TCP4 10.1.2.300 10.0.0.1 4000 80\r\n", "malformed"),
            ("PROXY TCP4 fd00::1 ::1 4000 80\r\n", "malformed"),
            ("PROXY TCP4 10.1.2.3 10.0.0.1 +4000 80\r\n", "malformed"),
            ("PROXY TCP4 10.1.2.3 10.0.0.1 66000 80\r\n", "malformed"),
            ("PROXY TCP4 10.1.2.3 10.0.0.1 4000 80\n", "malformed"),
            ("PROXY TCP4 10.1.2.3 10.0.0.1 4000 80\r\r\n", "malformed"),
            ("PROXY TCP4  10.1.2.3 10.0.0.1 4000 80\r\n", "malformed"),
            ("PROXY UDP4 10.1.2.3 10.0.0.1 4000 80\r\n", "malformed"),
            ("PROXY\r\n", "malformed"),
            ("proxy UNKNOWN\r\n", "malformed"),
        ] {
            assert_eq!(client(named_by_v1(line.as_bytes())), named, "{line:?}");
        }
    }

    #[test]
    fn binary_headers_name_a_client_or_none() {
        let four = [10, 1, 2, 3, 10, 0, 0, 1, 0x0f, 0xa0, 0, 80];
        let six = [&[0xfd; 16][..], &[0; 16], &[0x0f, 0xa0, 0, 80]].concat();
        let tlv = [4, 0, 3, b'a', b'b', b'c'];
        for (header, named) in [
            (v2(1, 0x11, &four), "10.1.2.3:4000"),
            (v2(1, 0x11, &[&four[..], &tlv].concat()), "10.1.2.3:4000"),
            (v2(1, 0x21, &six), "[fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd]:4000"),
            (v2(0, 0x11, &four), "none"),
            (v2(0, 0, &[]), "none"),
            (v2(1, 0, &tlv), "none"),
            (v2(1, 0x31, &[1; 216]), "none"),
            (v2(1, 0x11, &four[..11]), "malformed"),
            (v2(1, 0x21, &four), "malformed"),
            (v2(1, 0x31, &four), "malformed"),
            (v2(2, 0x11, &four), "malformed"),
            (v2(1, 0x41, &four), "malformed"),
            (v2(1, 0x13, &four), "malformed"),
        ] {
            assert_eq!(client(named_by_v2(&header)), named, "{header:?}");
        }
        let mut third = v2(1, 0x11, &four);
        third[12] = 0x31;
        assert_eq!(client(named_by_v2(&third)), "malformed");
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_without_a_panic(bytes: Vec<u8>, command: u8, family: u8) {
            let _ = named_by_v1(&bytes);
            let _ = named_by_v1(&[b"PROXY ", &bytes[..], b"\r\n"].concat());
            let _ = named_by_v2(&bytes);
            let _ = named_by_v2(&v2(command & 15, family, &bytes));
        }
    }
}
