//! The listening sockets that a recorder starts with: its own, or those that systemd holds for it (sd_listen_fds(3)).

use std::net::{SocketAddr, TcpListener};

use listenfd::ListenFd;

use super::bind;
use crate::recorder::StartError;

/// The name (`FileDescriptorName=`) of the socket for operators; every other one is for clients.
const ADMIN: &str = "admin";

/// Sockets that listened before this process ran, and will when it is gone: between two recorders, connections wait in
/// them.
#[derive(Debug, Default)]
pub struct Inherited {
    clients: Vec<TcpListener>,
    admin: Option<TcpListener>,
}

impl Inherited {
    /// Takes what systemd has passed on; nothing where this was not started by a socket. To be called before any thread is
    /// started.
    pub fn take() -> Result<Self, StartError> {
        let failed = |name: &str, source| StartError::Inherited { name: name.to_owned(), source };
        let names = sd_notify::listen_fds_with_names().map_err(|source| failed("LISTEN_FDNAMES", source))?;
        let names: Vec<String> = names.map(|(_, name)| name).collect();
        let mut sockets = ListenFd::from_env();
        let mut inherited = Self::default();
        for at in 0..sockets.len() {
            let name = names.get(at).map_or("", String::as_str);
            let taken = sockets.take_tcp_listener(at).map_err(|source| failed(name, source))?;
            let Some(listener) = taken else { continue };
            listener.set_nonblocking(true).map_err(|source| failed(name, source))?;
            if name == ADMIN {
                inherited.admin = Some(listener);
            } else {
                inherited.clients.push(listener);
            }
        }
        Ok(inherited)
    }
}

/// All that a recorder listens on.
#[derive(Debug)]
pub(crate) struct Sockets {
    /// For each worker, those that it accepts from.
    pub(crate) workers: Vec<Vec<TcpListener>>,
    pub(crate) admin: TcpListener,
    /// Somebody else keeps the clients' sockets open: nothing is lost when this process closes them.
    pub(crate) are_kept: bool,
}

impl Sockets {
    /// What is inherited, and for the rest listeners on these addresses.
    pub(crate) fn open(
        inherited: Inherited,
        listen: SocketAddr,
        admin: SocketAddr,
        workers: usize,
    ) -> Result<Self, StartError> {
        let are_kept = !inherited.clients.is_empty();
        let own = if are_kept { shared(&inherited.clients, workers) } else { one_each(listen, workers) };
        let workers = own.map_err(|source| StartError::Listen { addr: listen, flag: "listen", source })?;
        let admin = match inherited.admin {
            Some(listener) => listener,
            None => bind(admin).map_err(|source| StartError::Listen { addr: admin, flag: "admin", source })?,
        };
        Ok(Self { workers, admin, are_kept })
    }
}

/// One listener for each worker, between which the kernel spreads connections; where the port is 0, all on the one that
/// the first got.
fn one_each(addr: SocketAddr, workers: usize) -> std::io::Result<Vec<Vec<TcpListener>>> {
    let first = bind(addr)?;
    let same = first.local_addr()?;
    let rest = (1..workers).map(|_| bind(same));
    std::iter::once(Ok(first)).chain(rest).map(|listener| Ok(vec![listener?])).collect()
}

/// Every listener for every worker: who is free first accepts.
fn shared(listeners: &[TcpListener], workers: usize) -> std::io::Result<Vec<Vec<TcpListener>>> {
    (0..workers).map(|_| listeners.iter().map(TcpListener::try_clone).collect()).collect()
}
