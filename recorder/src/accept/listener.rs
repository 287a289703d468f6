//! The listening sockets: one for each worker on the same address, between which the kernel spreads connections.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::select_all;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};

use super::connection;
use crate::worker::Worker;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// After an error that says the process or the system is short of something, the next try waits; each longer than the
/// one before.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Listens on `addr`, which other sockets of this program may share.
pub(crate) fn bind(addr: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Accepts from all of them for ever. No error ends it.
pub(crate) async fn accept(listeners: &[TcpListener], worker: &Rc<Worker>) -> Infallible {
    select_all(listeners.iter().map(|listener| Box::pin(accept_from(listener, worker)))).await.0
}

async fn accept_from(listener: &TcpListener, worker: &Rc<Worker>) -> Infallible {
    let mut pause = FIRST_PAUSE;
    loop {
        match listener.accept().await {
            Ok(accepted) => {
                pause = FIRST_PAUSE;
                take(accepted, worker);
            }
            Err(error) if is_of_the_connection(&error) => {}
            Err(error) => {
                worker.counters.accept_failed.inc();
                tracing::warn!(%error, ?pause, "cannot accept a connection; trying again after a pause");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

/// Accepts what the kernel has already taken on behalf of this listener and would reset with it.
pub(crate) fn accept_waiting(listener: &TcpListener, worker: &Rc<Worker>) {
    while let Some(Ok(accepted)) = listener.accept().now_or_never() {
        take(accepted, worker);
    }
}

fn take((stream, client): (TcpStream, SocketAddr), worker: &Rc<Worker>) {
    worker.counters.connections.inc();
    // Before its task runs: a drain must not overlook it.
    let seat = worker.closing.seat();
    tokio::task::spawn_local(connection::serve(stream, client, seat, Rc::clone(worker)));
}

/// Whether only the connection that was to be accepted is broken.
fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
