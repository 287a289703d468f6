//! Which protocol a client speaks: HTTP/2 begins with a preface (RFC 9113, 3.4) that no HTTP/1 request begins with.

use std::io;
use std::time::Duration;

use tokio::net::TcpStream;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What has come of the preface does not wake the socket again; the rest is looked for this often.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// What a connection's first bytes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spoken {
    /// HTTP/1, or no HTTP at all.
    Http1,
    /// HTTP/2 with prior knowledge.
    Http2,
    /// It was closed before it said anything.
    Nothing,
}

/// Looks at the first bytes without taking them.
pub(super) async fn sniff(stream: &TcpStream) -> io::Result<Spoken> {
    let mut first = [0; PREFACE.len()];
    loop {
        let n = stream.peek(&mut first).await?;
        if n == 0 {
            return Ok(Spoken::Nothing);
        }
        if first[..n] != PREFACE[..n] {
            return Ok(Spoken::Http1);
        }
        if n == PREFACE.len() {
            return Ok(Spoken::Http2);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
