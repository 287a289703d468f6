//! A client with the traffic of an ordinary service: reads, writes, errors, gRPC, and the odd thing that breaks
//! tools which parse more than they have to.

mod grpc;
mod http1;
mod raw;

use std::net::SocketAddr;

use anyhow::Context;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request};

use crate::sighting::{ODD, REQUEST_ID, Sighting};

/// The public name of the service, which every client asks for.
pub const HOST: &str = "shop.example.com";
/// A credential that production sees and the store must not.
pub const SECRET: &str = "Bearer only-production-may-see-this";

/// What a request carries.
#[derive(Clone, Copy)]
enum Payload {
    /// Nothing.
    Empty,
    /// Bytes of a known length.
    Sized(&'static str),
    /// Pieces of an unknown total length, so HTTP/1.1 sends them chunked.
    Chunked(&'static [&'static str]),
}

impl Payload {
    fn whole(&self) -> Bytes {
        match self {
            Self::Empty => Bytes::new(),
            Self::Sized(body) => Bytes::from_static(body.as_bytes()),
            Self::Chunked(pieces) => pieces.concat().into(),
        }
    }
}

const JSON: (&str, &[u8]) = ("content-type", b"application/json");
const LOGGED_IN: (&str, &[u8]) = ("authorization", SECRET.as_bytes());

/// Sends everything to the recorder, one after the other, and returns each request with the answer it got.
pub async fn send_all(recorder: SocketAddr) -> anyhow::Result<Vec<Sighting>> {
    use Payload::{Chunked, Empty, Sized};
    let mut sent = Vec::new();

    let mut plain = http1::Connection::open(recorder).await?;
    for (method, target, headers, body) in [
        (Method::GET, "/get", &[][..], Empty),
        (Method::GET, "/get?item=moon%20lamp&page=2", &[], Empty),
        (Method::GET, "/headers", &[LOGGED_IN], Empty),
        (Method::GET, "/anything/caf%C3%A9/a%2Fb?next=%2e%2e", &[], Empty),
        (Method::POST, "/post", &[JSON], Sized(r#"{"item":"moon lamp","count":2}"#)),
        (Method::POST, "/post?upload=notes", &[], Chunked(&["first piece, ", "second piece, ", "last piece"])),
        (Method::DELETE, "/anything/orders/17", &[LOGGED_IN], Empty),
        (Method::GET, "/status/404", &[], Empty),
        (Method::GET, "/status/503", &[], Empty),
    ] {
        let request = request(sent.len() + 1, method, target, headers, &body)?;
        sent.push(plain.send(request, body).await.with_context(|| format!("the request for {target}"))?);
    }

    // 0xE9 is é in Latin-1: allowed in a field's value (obs-text, RFC 9110, 5.5) and no UTF-8.
    let odd = request(sent.len() + 1, Method::GET, "/headers?odd=bytes", &[(ODD, b"caf\xe9 \xff")], &Payload::Empty)?;
    sent.push(raw::send(recorder, odd).await.context("the request with odd bytes")?);

    let mut greeter = grpc::Greeter::connect(recorder).await?;
    for (name, credential) in [("Ada", None), ("Grace", Some(SECRET)), ("", None)] {
        let id = id(sent.len() + 1);
        sent.push(greeter.say_hello(&id, name, credential).await.context("the gRPC call")?);
    }
    Ok(sent)
}

fn id(number: usize) -> String {
    format!("demo-{number:02}")
}

/// A request's head, to [`HOST`] and numbered, with its whole body for the comparison later.
fn request(
    number: usize,
    method: Method,
    target: &str,
    headers: &[(&'static str, &[u8])],
    body: &Payload,
) -> anyhow::Result<Request<Bytes>> {
    let mut request = Request::builder().method(method).uri(target).header("host", HOST).body(body.whole())?;
    let fields = request.headers_mut();
    fields.insert(REQUEST_ID, id(number).parse()?);
    fields.insert("user-agent", HeaderValue::from_static("umbra-demo"));
    for (name, value) in headers {
        fields.append(HeaderName::from_static(name), HeaderValue::from_bytes(value)?);
    }
    Ok(request)
}
