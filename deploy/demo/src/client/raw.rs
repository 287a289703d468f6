//! A request written to the socket byte by byte: no library in between that could tidy it up.

use std::net::SocketAddr;

use anyhow::Context;
use bytes::Bytes;
use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::sighting::{Sighting, Status};

/// Sends a request that has no body, on a connection of its own, and reads the answer's status.
pub(super) async fn send(to: SocketAddr, request: Request<Bytes>) -> anyhow::Result<Sighting> {
    let (head, body) = request.into_parts();
    let mut wire = format!("{} {} HTTP/1.1\r\n", head.method, head.uri).into_bytes();
    for (name, value) in &head.headers {
        wire.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    wire.extend(b"connection: close\r\n\r\n");

    let mut stream = TcpStream::connect(to).await?;
    stream.write_all(&wire).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;

    let mut sent = Sighting::of(&head, body);
    let status = answer.get(b"HTTP/1.1 ".len()..).and_then(|a| std::str::from_utf8(a.get(..3)?).ok()?.parse().ok());
    sent.status = Some(Status::new(status.context("the answer has no status line")?, None));
    Ok(sent)
}
