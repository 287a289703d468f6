//! Requests for another protocol: HTTP/1.1's upgrade (RFC 9110, 7.8) and HTTP/2's extended CONNECT (RFC 8441).
//!
//! The origin decides. Where client and origin speak different versions of HTTP, the one form is told as the other; that is
//! defined for WebSocket alone (RFC 8441, 5).

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::header::{CONNECTION, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, TE, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, response};
use hyper::ext::Protocol;
use sha1::{Digest, Sha1};

use super::Failure;

const WEBSOCKET: &[u8] = b"websocket";
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// What a WebSocket server adds to a key before it hashes it (RFC 6455, 1.3).
const KEY_SUFFIX: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const KEY_BYTES: usize = 16;

/// A request for another protocol that may be passed to the origin.
#[derive(Clone, Debug)]
pub(crate) enum Asked {
    /// By the `Upgrade` field, whose value this is.
    Upgrade(HeaderValue),
    /// By CONNECT with `:protocol`.
    Connect(Protocol),
}

impl Asked {
    /// What an HTTP/1.1 request asks for. Nothing where it is not to be passed: HTTP and TLS behind a tunnel would be requests that nobody
    /// here judges or records, and `h2c` is how such requests are smuggled.
    pub(crate) fn by_upgrade(headers: &HeaderMap) -> Option<Self> {
        let wanted = headers.get_all(CONNECTION).iter().flat_map(tokens).any(|t| t.eq_ignore_ascii_case(b"upgrade"));
        let mut fields = headers.get_all(UPGRADE).iter();
        let (Some(protocols), None, true) = (fields.next(), fields.next(), wanted) else { return None };
        let passes = tokens(protocols).next().is_some() && tokens(protocols).all(is_passed);
        passes.then(|| Self::Upgrade(protocols.clone()))
    }

    /// What an extended CONNECT asks for.
    pub(crate) fn by_connect(parts: &Parts) -> Option<Self> {
        let protocol = parts.extensions.get::<Protocol>().filter(|_| parts.method == Method::CONNECT)?;
        is_passed(protocol.as_ref()).then(|| Self::Connect(protocol.clone()))
    }

    fn is_websocket(&self) -> bool {
        let name = match self {
            Self::Upgrade(protocols) => protocols.as_bytes(),
            Self::Connect(protocol) => protocol.as_ref(),
        };
        name.trim_ascii().eq_ignore_ascii_case(WEBSOCKET)
    }
}

/// The non-empty members of a list.
fn tokens(list: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    list.as_bytes().split(|b| *b == b',').map(<[u8]>::trim_ascii).filter(|t| !t.is_empty())
}

fn is_passed(protocol: &[u8]) -> bool {
    let name = protocol.split(|b| *b == b'/').next().unwrap_or_default();
    ![&b"h2c"[..], b"h2", b"http", b"tls"].iter().any(|http| name.eq_ignore_ascii_case(http))
}

/// A handshake under way to the origin.
#[derive(Debug)]
pub(super) struct Handshake {
    asked: Box<Asked>,
    /// What an HTTP/1.1 client is to be told where the origin has not seen its key.
    accept: Option<HeaderValue>,
}

impl Handshake {
    pub(super) fn new(asked: Box<Asked>) -> Self {
        Self { asked, accept: None }
    }

    /// Asks by HTTP/1.1. To be called when the fields of the client's hop are gone.
    pub(super) fn ask_http1(&mut self, parts: &mut Parts) -> Result<(), Failure> {
        let protocols = match &*self.asked {
            Asked::Upgrade(protocols) => protocols.clone(),
            Asked::Connect(_) if !self.asked.is_websocket() => return Err(Failure::NoTunnel),
            Asked::Connect(_) => {
                parts.method = Method::GET;
                parts.extensions.remove::<Protocol>();
                // HTTP/2 needs no key, HTTP/1.1 does.
                parts.headers.insert(SEC_WEBSOCKET_KEY, new_key());
                HeaderValue::from_static("websocket")
            }
        };
        let with_te = parts.headers.contains_key(TE);
        parts.headers.insert(CONNECTION, HeaderValue::from_static(if with_te { "upgrade, te" } else { "upgrade" }));
        parts.headers.insert(UPGRADE, protocols);
        parts.headers.remove(HTTP2_SETTINGS);
        Ok(())
    }

    /// Asks by HTTP/2.
    pub(super) fn ask_http2(&mut self, parts: &mut Parts) -> Result<(), Failure> {
        if let Asked::Upgrade(_) = *self.asked {
            if !self.asked.is_websocket() || parts.method != Method::GET {
                return Err(Failure::NoTunnel);
            }
            parts.method = Method::CONNECT;
            parts.extensions.insert(Protocol::from_static("websocket"));
            self.accept = parts.headers.remove(SEC_WEBSOCKET_KEY).as_ref().and_then(accept);
        }
        Ok(())
    }

    /// Reads the head of the origin's response, which becomes one that the client understands. `chosen`: its `Upgrade`.
    pub(super) fn read(
        &self,
        head: &mut response::Parts,
        http2: bool,
        chosen: Option<HeaderValue>,
    ) -> Result<(), Failure> {
        let granted =
            if http2 { head.status == StatusCode::OK } else { head.status == StatusCode::SWITCHING_PROTOCOLS };
        if !granted {
            // A success would be taken for a tunnel by whoever sent a CONNECT.
            let is_connect = http2 || matches!(*self.asked, Asked::Connect(_));
            let is_tunnel = head.status == StatusCode::SWITCHING_PROTOCOLS || is_connect && head.status.is_success();
            return if is_tunnel { Err(Failure::Switched) } else { Ok(()) };
        }
        let protocol = match chosen {
            None if http2 => HeaderValue::from_static("websocket"),
            Some(chosen) if !http2 && self.allows(&chosen) => chosen,
            _ => return Err(Failure::Switched),
        };
        match &*self.asked {
            Asked::Upgrade(_) => {
                head.status = StatusCode::SWITCHING_PROTOCOLS;
                head.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
                head.headers.insert(UPGRADE, protocol);
                if let Some(accept) = &self.accept {
                    head.headers.insert(SEC_WEBSOCKET_ACCEPT, accept.clone());
                }
            }
            Asked::Connect(_) => {
                head.status = StatusCode::OK;
                head.headers.remove(SEC_WEBSOCKET_ACCEPT);
            }
        }
        Ok(())
    }

    /// Whether the origin may change to these protocols: each was asked for (RFC 9110, 7.8).
    fn allows(&self, chosen: &HeaderValue) -> bool {
        let was_asked = |protocol: &[u8]| match &*self.asked {
            Asked::Upgrade(asked) => tokens(asked).any(|a| a.eq_ignore_ascii_case(protocol)),
            Asked::Connect(asked) => asked.as_ref().eq_ignore_ascii_case(protocol),
        };
        tokens(chosen).next().is_some() && tokens(chosen).all(was_asked)
    }
}

fn new_key() -> HeaderValue {
    let random: [u8; KEY_BYTES] = std::array::from_fn(|_| fastrand::u8(..));
    // Base64 is a value.
    HeaderValue::from_str(&BASE64_STANDARD.encode(random)).unwrap_or(HeaderValue::from_static(""))
}

/// What a server answers to a client's key (RFC 6455, 4.2.2).
fn accept(key: &HeaderValue) -> Option<HeaderValue> {
    let digest = Sha1::new().chain_update(key.as_bytes().trim_ascii()).chain_update(KEY_SUFFIX).finalize();
    HeaderValue::from_str(&BASE64_STANDARD.encode(digest)).ok()
}
