//! Extended CONNECT by the HTTP/2 library alone, without a client or a server around it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use h2::ext::Protocol;
use h2::{RecvStream, SendStream};
use http::{Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::TcpStream;

type Requests = Arc<Mutex<Vec<Request<()>>>>;

/// An HTTP/2 origin that answers CONNECT with 200 and then sends back what comes, in upper case.
#[derive(Debug)]
pub struct ConnectOrigin {
    addr: SocketAddr,
    requests: Requests,
}

impl ConnectOrigin {
    /// One that says so in its settings, or not.
    pub fn start(takes_connect: bool) -> Self {
        let requests = Requests::default();
        let sees = Arc::clone(&requests);
        let addr = super::serve(move |stream| serve(stream, takes_connect, Arc::clone(&sees)));
        Self { addr, requests }
    }

    /// Where it listens, as a URL.
    pub fn url(&self) -> String {
        format!("h2c://{}", self.addr)
    }

    /// The requests that came.
    pub fn requests(&self) -> Vec<Request<()>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn serve(stream: TcpStream, takes_connect: bool, requests: Requests) {
    let mut builder = h2::server::Builder::new();
    if takes_connect {
        builder.enable_connect_protocol();
    }
    let Ok(mut connection) = builder.handshake::<_, Bytes>(stream).await else { return };
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let (parts, body) = request.into_parts();
        let is_connect = parts.method == http::Method::CONNECT;
        requests.lock().unwrap_or_else(PoisonError::into_inner).push(Request::from_parts(parts, ()));
        let Ok(send) = respond.send_response(Response::new(()), !is_connect) else { continue };
        if is_connect {
            tokio::spawn(shout(body, send));
        }
    }
}

async fn shout(mut body: RecvStream, mut send: SendStream<Bytes>) {
    while let Some(Ok(data)) = body.data().await {
        let _ = body.flow_control().release_capacity(data.len());
        let _ = send.send_data(data.to_ascii_uppercase().into(), false);
    }
    let _ = send.send_data(Bytes::from_static(b"bye"), true);
}

/// What became of a CONNECT.
#[derive(Debug)]
pub struct Connected {
    /// The response's head.
    pub response: Response<()>,
    send: SendStream<Bytes>,
    body: RecvStream,
}

impl Connected {
    /// Sends bytes into the tunnel.
    pub fn send(&mut self, bytes: impl Into<Bytes>) {
        self.send.send_data(bytes.into(), false).unwrap();
    }

    /// Says that nothing more will be sent.
    pub fn finish(&mut self) {
        self.send.send_data(Bytes::new(), true).unwrap();
    }

    /// Both directions as one stream.
    pub fn into_stream(self) -> DuplexStream {
        let (near, far) = tokio::io::duplex(64 << 10);
        let (mut read, mut write) = tokio::io::split(far);
        let Self { mut send, mut body, .. } = self;
        tokio::spawn(async move {
            let mut buffer = [0; 16 << 10];
            while let Ok(n @ 1..) = read.read(&mut buffer).await {
                let _ = send.send_data(Bytes::copy_from_slice(&buffer[..n]), false);
            }
            let _ = send.send_data(Bytes::new(), true);
        });
        tokio::spawn(async move {
            while let Some(Ok(data)) = body.data().await {
                let _ = body.flow_control().release_capacity(data.len());
                if write.write_all(&data).await.is_err() {
                    return;
                }
            }
            let _ = write.shutdown().await;
        });
        near
    }

    /// So many bytes, or all up to the end.
    pub async fn read(&mut self, length: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while all.len() < length
            && let Some(data) = self.body.data().await
        {
            let data = data.unwrap();
            let _ = self.body.flow_control().release_capacity(data.len());
            all.extend_from_slice(&data);
        }
        all
    }
}

/// The same, again and again until it is offered: each worker of a recorder learns it for itself.
pub async fn connect_once_offered(to: SocketAddr, protocol: &str, path: &str) -> Connected {
    loop {
        if let Some(connected) = connect(to, protocol, path).await {
            return connected;
        }
    }
}

/// Asks for `protocol` at `path` on a connection of its own. Nothing where the peer does not offer extended CONNECT.
pub async fn connect(to: SocketAddr, protocol: &str, path: &str) -> Option<Connected> {
    let stream = TcpStream::connect(to).await.unwrap();
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    // A whole exchange: by then its settings have come.
    let first = Request::get("http://api.example.com/first").body(()).unwrap();
    client.send_request(first, true).unwrap().0.await.unwrap();
    if !client.is_extended_connect_protocol_enabled() {
        return None;
    }
    let mut request = Request::connect(format!("http://api.example.com{path}"));
    if let Some(extensions) = request.extensions_mut() {
        extensions.insert(Protocol::from(protocol));
    }
    let request = request.header("sec-websocket-version", "13").header("x-tenant", "blue");
    let (response, send) = client.send_request(request.body(()).unwrap(), false).unwrap();
    let (head, body) = response.await.unwrap().into_parts();
    Some(Connected { response: Response::from_parts(head, ()), send, body })
}
