//! Connections to one target.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use umbra_common::dial::{DialError, Dialer, Resolver, Stream, TlsError};

use super::reach::TargetTls;
use super::streams::{StreamPool, StreamRoom};
use super::{Reach, RecordedBody, TargetUrl};

/// Why a connection could not be made.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("no connection: {0}")]
    Dial(Arc<DialError>),
    #[error("no connection within --timeout")]
    Late,
    #[error("the target does not agree to HTTP/2 over TLS (ALPN): give --protocol h1, or let it speak HTTP/2")]
    NoHttp2,
    #[error("the target ends a new HTTP/2 connection, by a GOAWAY or by closing it, before it has taken a request")]
    Leaving,
    /// There was one, and the target broke it off before it had said what HTTP/2 begins with.
    #[error("no HTTP/2 connection: {0}")]
    Http(Arc<hyper::Error>),
}

impl From<DialError> for ConnectError {
    fn from(error: DialError) -> Self {
        Self::Dial(Arc::new(error))
    }
}

impl From<hyper::Error> for ConnectError {
    fn from(error: hyper::Error) -> Self {
        Self::Http(Arc::new(error))
    }
}

pub(super) type H1 = http1::SendRequest<RecordedBody>;

/// The connections of one target, all on one runtime.
#[derive(Clone)]
pub(super) struct Connections {
    way: Arc<Way>,
    /// Idle ones; the last used is taken first, so that a low rate keeps few of them warm.
    idle: Arc<Mutex<Vec<H1>>>,
    h2: StreamPool,
}

/// How a target is connected to.
#[derive(Debug)]
pub(super) struct Way {
    dialer: Dialer,
    tls: Option<TargetTls>,
}

impl Way {
    async fn for_h1(&self) -> Result<Stream, ConnectError> {
        Ok(self.dialer.connect(self.tls.as_ref().map(|tls| &tls.h1)).await?.stream)
    }

    pub(super) async fn for_h2(&self) -> Result<Stream, ConnectError> {
        let stream = self.dialer.connect(self.tls.as_ref().map(|tls| &tls.h2)).await?.stream;
        // Without TLS there is nobody to ask: the prior knowledge is the user's (RFC 9113, 3.3).
        if stream.is_tls() && stream.alpn() != Some(b"h2") {
            return Err(ConnectError::NoHttp2);
        }
        Ok(stream)
    }
}

impl Connections {
    pub(super) fn to(url: &TargetUrl, reach: &Reach) -> Result<Self, TlsError> {
        let resolver = Resolver::new(Vec::new(), reach.pinned.clone());
        let dialer = Dialer::new(&url.host, url.port, resolver, reach.connect_timeout);
        let way = Arc::new(Way { dialer, tls: reach.tls_to(url)? });
        Ok(Self { h2: StreamPool::new(Arc::clone(&way)), way, idle: Arc::default() })
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
        let io = TokioIo::new(self.way.for_h1().await?);
        let (sender, connection) = http1::handshake(io).await?;
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

    /// Room for one stream on an HTTP/2 connection.
    pub(super) async fn h2(&self) -> Result<StreamRoom, ConnectError> {
        self.h2.room().await
    }
}
