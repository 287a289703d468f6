//! What changes the protocol of a connection or of a stream, on both sides of a recorder: real WebSocket peers, and HTTP/2
//! peers that know extended CONNECT (RFC 8441).

mod connect;
mod websocket;

pub use connect::{ConnectOrigin, Connected, connect, connect_once_offered};
pub use websocket::{WebSocketOrigin, websocket};

use std::future::Future;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};

/// Runs a test's client.
pub fn block_on<T>(client: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(client)
}

/// Serves each connection on a thread that ends with the test's process.
fn serve<F: Future<Output = ()> + Send + 'static>(connection: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        block_on(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                tokio::spawn(connection(stream));
            }
        });
    });
    addr
}
