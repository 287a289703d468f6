//! HTTP/2 frames, watched from outside of the library: floods that it lets through, and errors that it finds.
//!
//! The library checks what frames mean and has limits of its own (streams, header lists, CONTINUATION, empty DATA, resets of
//! streams that nobody has seen yet). It has none for frames that cost an answer or a look and carry nothing, and it
//! tells nobody which requests it refuses. Both can be seen in the nine bytes that every frame begins with (RFC 9113, 4.1).

mod budget;
mod cursor;
mod framed;
mod inbound;
mod lone_status;
mod outbound;

pub(crate) use framed::{FrameWatch, Framed};
pub(crate) use inbound::Flood;
pub(crate) use outbound::{ErrorScope, StreamError};

/// What the library has refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// A stream or the connection, with an error.
    Error(StreamError),
    /// A request, with 431.
    HeadTooLarge,
}

/// The first line of a connection (RFC 9113, 3.4).
const PREFACE: usize = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len();

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

/// Of DATA and HEADERS: the stream's last frame.
const END_STREAM: u8 = 1;
/// Of HEADERS and CONTINUATION: the block's last frame.
const END_HEADERS: u8 = 4;
