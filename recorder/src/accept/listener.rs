//! The listening sockets: one for each worker on the same address, between which the kernel spreads connections.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use super::connection;
use crate::worker::Worker;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// After an error that says the process or the system is short of something, the next try waits; each longer than the
/// one before.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Listens on `addr`, which other sockets of this program may share.
pub(crate) fn bind(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Accepts for as long as the worker lets it. No error ends it.
pub(crate) async fn accept(listener: tokio::net::TcpListener, worker: Rc<Worker>) {
    let mut pause = FIRST_PAUSE;
    loop {
        match listener.accept().await {
            Ok((stream, client)) => {
                pause = FIRST_PAUSE;
                worker.counters.connections.inc();
                tokio::task::spawn_local(connection::serve(stream, client, Rc::clone(&worker)));
            }
            Err(error) if is_of_the_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, ?pause, "cannot accept a connection; trying again after a pause");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

/// Whether only the connection that was to be accepted is broken.
fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
