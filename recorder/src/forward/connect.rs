//! A connection to the upstream.

use std::io;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Failure;
use crate::config::Upstream;

/// The longest wait for one; on a network that works it takes milliseconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Connects to the first of the upstream's addresses that takes the connection.
pub(super) async fn connect(upstream: &Upstream) -> Result<TokioIo<TcpStream>, Failure> {
    match timeout(CONNECT_TIMEOUT, TcpStream::connect((upstream.host(), upstream.port()))).await {
        Err(_) => Err(Failure::ConnectTimeout),
        Ok(Err(error)) if error.kind() == io::ErrorKind::TimedOut => Err(Failure::ConnectTimeout),
        Ok(Err(error)) => Err(Failure::Connect(error)),
        Ok(Ok(stream)) => {
            stream.set_nodelay(true).map_err(Failure::Connect)?;
            Ok(TokioIo::new(stream))
        }
    }
}
