//! Connections to one target.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use super::{RecordedBody, TargetUrl};

/// Why a connection could not be made, in words.
#[derive(Clone, Debug, thiserror::Error)]
#[error("no connection: {0}")]
pub(super) struct ConnectError(Arc<str>);

impl ConnectError {
    pub(super) fn new(why: impl std::fmt::Display) -> Self {
        Self(why.to_string().into())
    }
}

pub(super) type H1 = http1::SendRequest<RecordedBody>;
pub(super) type H2 = http2::SendRequest<RecordedBody>;

/// The connections of one target, all on one runtime.
#[derive(Clone)]
pub(super) struct Connections {
    address: Address,
    /// Idle ones; the last used is taken first, so that a low rate keeps few of them warm.
    idle: Arc<Mutex<Vec<H1>>>,
    /// The one HTTP/2 connection, or the attempt to make it, shared by all who need it.
    shared: Arc<Mutex<Option<Opening>>>,
}

type Opening = Shared<BoxFuture<'static, Result<H2, ConnectError>>>;

#[derive(Clone)]
enum Address {
    Fixed(SocketAddr),
    /// Looked up for each connection, so that a name that moves is followed.
    Named(Arc<str>, u16),
}

impl Connections {
    pub(super) fn to(url: &TargetUrl) -> Self {
        let address = match url.host.parse::<IpAddr>() {
            Ok(ip) => Address::Fixed(SocketAddr::new(ip, url.port)),
            Err(_) => Address::Named(url.host.as_str().into(), url.port),
        };
        Self { address, idle: Arc::default(), shared: Arc::default() }
    }

    async fn stream(&self) -> Result<TcpStream, ConnectError> {
        let stream = match &self.address {
            Address::Fixed(address) => TcpStream::connect(address).await,
            Address::Named(host, port) => TcpStream::connect((&**host, *port)).await,
        };
        let stream = stream.map_err(ConnectError::new)?;
        stream.set_nodelay(true).map_err(ConnectError::new)?;
        Ok(stream)
    }

    /// An HTTP/1.1 connection that can take a request now: an idle one, or a new one.
    pub(super) async fn h1(&self) -> Result<H1, ConnectError> {
        while let Some(mut idle) = self.pop() {
            // Just returned ones may still be finishing; those that the target has closed say so here.
            if idle.ready().await.is_ok() {
                return Ok(idle);
            }
        }
        self.open_h1().await
    }

    async fn open_h1(&self) -> Result<H1, ConnectError> {
        let io = TokioIo::new(self.stream().await?);
        let (sender, connection) = http1::handshake(io).await.map_err(ConnectError::new)?;
        // An error on a connection reaches the request on it; without one there is nobody to tell.
        tokio::spawn(connection.map(drop));
        Ok(sender)
    }

    fn pop(&self) -> Option<H1> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Gives a connection back whose answer has been read whole.
    pub(super) fn give_back(&self, connection: H1) {
        if !connection.is_closed() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
    }

    /// The HTTP/2 connection. One attempt at a time: whoever comes meanwhile waits for the same one.
    pub(super) async fn h2(&self) -> Result<H2, ConnectError> {
        let opening = self.current();
        match opening.clone().await {
            Ok(connection) if !connection.is_closed() => Ok(connection),
            Ok(_) => {
                self.forget(&opening);
                self.current().await
            }
            Err(error) => {
                self.forget(&opening);
                Err(error)
            }
        }
    }

    fn current(&self) -> Opening {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.get_or_insert_with(|| self.clone().open_h2().boxed().shared()).clone()
    }

    fn forget(&self, opening: &Opening) {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if shared.as_ref().is_some_and(|now| now.ptr_eq(opening)) {
            *shared = None;
        }
    }

    /// A request on the HTTP/2 connection got no answer: later ones go on a new connection.
    pub(super) fn distrust_h2(&self) {
        *self.shared.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    async fn open_h2(self) -> Result<H2, ConnectError> {
        let io = TokioIo::new(self.stream().await?);
        let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.map_err(ConnectError::new)?;
        tokio::spawn(connection.map(drop));
        Ok(sender)
    }
}
