//! Bodies too large to keep: an origin that sends and takes any number of bytes, and clients that do.

use std::convert::Infallible;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, SizeHint};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::wait::DEADLINE;

/// What is written and read at once.
static PIECE: [u8; 256 << 10] = [b'x'; 256 << 10];

/// Answers `GET /N` with N bytes, and a POST, whose length is announced, with the number of bytes that came. Lives as long
/// as the process.
#[derive(Debug)]
pub struct FloodOrigin {
    addr: SocketAddr,
}

impl FloodOrigin {
    /// Starts one.
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let addr = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A connection that breaks is seen by the client that the test looks at.
                std::thread::spawn(move || serve(&stream));
            }
        });
        Self { addr }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where it listens, as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }
}

fn serve(stream: &TcpStream) -> std::io::Result<()> {
    let (mut from, mut to) = (BufReader::with_capacity(PIECE.len(), stream), stream);
    loop {
        let mut line = String::new();
        if from.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let size: u64 = line.split(' ').nth(1).and_then(|target| target.strip_prefix('/')?.parse().ok()).unwrap_or(0);
        let is_post = line.starts_with("POST ");
        let length = fields_end(&mut from)?;
        if is_post {
            let taken = take(&mut from, length)?;
            let body = taken.to_string();
            write!(to, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())?;
        } else {
            write!(to, "HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n")?;
            give(&mut to, size)?;
        }
    }
}

/// Reads up to the empty line; the announced length of the body.
fn fields_end(from: &mut impl BufRead) -> std::io::Result<u64> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if from.read_line(&mut line)? == 0 || line == "\r\n" {
            return Ok(length);
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
}

fn take(from: &mut impl Read, length: u64) -> std::io::Result<u64> {
    std::io::copy(&mut from.take(length), &mut std::io::sink())
}

fn give(to: &mut impl Write, length: u64) -> std::io::Result<()> {
    let mut left = length;
    while left > 0 {
        let now = usize::try_from(left).unwrap_or(usize::MAX).min(PIECE.len());
        to.write_all(&PIECE[..now])?;
        left -= now as u64;
    }
    Ok(())
}

/// Sends so many bytes by HTTP/1.1; how many the origin says it got.
pub fn upload(to: SocketAddr, length: u64) -> u64 {
    let mut stream = connect(to);
    write!(stream, "POST /upload HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n").unwrap();
    give(&mut stream, length).unwrap();
    let mut from = BufReader::new(stream);
    let length = response(&mut from);
    let mut said = String::new();
    from.take(length).read_to_string(&mut said).unwrap();
    said.parse().unwrap()
}

/// Asks for so many bytes by HTTP/1.1; how many came.
pub fn download(from: SocketAddr, length: u64) -> u64 {
    let mut stream = connect(from);
    write!(stream, "GET /{length} HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    let mut from = BufReader::with_capacity(PIECE.len(), stream);
    let announced = response(&mut from);
    take(&mut from, announced).unwrap()
}

fn connect(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    stream
}

fn response(from: &mut impl BufRead) -> u64 {
    let mut line = String::new();
    from.read_line(&mut line).unwrap();
    assert!(line.starts_with("HTTP/1.1 200 "), "{line}");
    fields_end(from).unwrap()
}

/// Sends so many bytes by HTTP/2, or none; how many came back, and the last of them as text.
pub fn http2(to: SocketAddr, method: Method, target: &str, length: u64) -> (u64, String) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(to).await.unwrap();
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.initial_stream_window_size(8 << 20).initial_connection_window_size(8 << 20).max_frame_size(64 << 10);
        let (mut connection, driver) = builder.handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(driver);
        let request = Request::builder().method(method).uri(format!("http://a{target}")).body(Flood(length)).unwrap();
        let mut body = connection.send_request(request).await.unwrap().into_body();
        let (mut came, mut last) = (0, Bytes::new());
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame.unwrap().into_data() {
                came += data.len() as u64;
                last = data;
            }
        }
        (came, String::from_utf8_lossy(&last).into_owned())
    })
}

/// So many bytes.
struct Flood(u64);

impl Body for Flood {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let now = usize::try_from(self.0).unwrap_or(usize::MAX).min(PIECE.len());
        self.0 -= now as u64;
        Poll::Ready((now > 0).then(|| Ok(Frame::data(Bytes::from_static(&PIECE[..now])))))
    }

    fn is_end_stream(&self) -> bool {
        self.0 == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0)
    }
}
