//! WebSocket over HTTP/1.1 by a library that knows nothing of the programs under test.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, Request};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async, client_async};

/// Sends each message back, and remembers handshakes and goodbyes.
#[derive(Debug)]
pub struct WebSocketOrigin {
    addr: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    handshakes: Vec<HeaderMap>,
    goodbyes: Vec<Option<CloseFrame>>,
}

impl WebSocketOrigin {
    /// An origin that grants every handshake.
    pub fn start() -> Self {
        let seen = Arc::<Mutex<Seen>>::default();
        let sees = Arc::clone(&seen);
        let addr = super::serve(move |stream| echo(stream, Arc::clone(&sees)));
        Self { addr, seen }
    }

    /// Where it listens, as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The fields of each handshake.
    pub fn handshakes(&self) -> Vec<HeaderMap> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).handshakes.clone()
    }

    /// How each client that said goodbye did so.
    pub fn goodbyes(&self) -> Vec<Option<CloseFrame>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).goodbyes.clone()
    }
}

async fn echo(stream: TcpStream, seen: Arc<Mutex<Seen>>) {
    let note = |what: &dyn Fn(&mut Seen)| what(&mut seen.lock().unwrap_or_else(PoisonError::into_inner));
    #[expect(clippy::result_large_err, reason = "the library's")]
    let handshake = |request: &Request<()>, mut response: Response| -> Result<Response, ErrorResponse> {
        note(&|seen| seen.handshakes.push(request.headers().clone()));
        if let Some(protocol) = request.headers().get("sec-websocket-protocol") {
            response.headers_mut().insert("sec-websocket-protocol", protocol.clone());
        }
        Ok(response)
    };
    // A handshake or a connection that breaks is the test's own doing.
    let Ok(mut socket) = accept_hdr_async(stream, handshake).await else { return };
    while let Some(Ok(message)) = socket.next().await {
        match message {
            Message::Close(goodbye) => note(&|seen| seen.goodbyes.push(goodbye.clone())),
            Message::Text(_) | Message::Binary(_) => drop(socket.send(message).await),
            // The library answers pings by itself.
            _ => {}
        }
    }
}

/// A client's socket, by way of what listens on `to`.
pub async fn websocket(to: SocketAddr, path: &str) -> WebSocketStream<TcpStream> {
    let stream = TcpStream::connect(to).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let request = Request::get(format!("ws://api.example.com{path}"))
        .header("host", "api.example.com")
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("sec-websocket-protocol", "chat")
        .header("x-tenant", "blue");
    client_async(request.body(()).unwrap(), stream).await.unwrap().0
}
