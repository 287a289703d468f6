//! An HTTP/2 client that sends the frames it is given, whatever they are (RFC 9113, RFC 7541).

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use crate::wait::DEADLINE;

/// Frame types.
#[expect(missing_docs, reason = "the names are those of RFC 9113, 6")]
pub mod kind {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const PRIORITY: u8 = 2;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PUSH_PROMISE: u8 = 5;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
}

/// Of DATA and HEADERS: nothing follows on the stream.
pub const END_STREAM: u8 = 1;
/// Of SETTINGS and PING: an answer.
pub const ACK: u8 = 1;
/// Of HEADERS and CONTINUATION: the block ends.
pub const END_HEADERS: u8 = 4;

/// What a connection begins with.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const HEAD: usize = 9;

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its type.
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// Its stream; 0 for the connection.
    pub stream: u32,
    /// What it carries.
    pub payload: Vec<u8>,
}

impl Frame {
    /// The error code of an RST_STREAM or a GOAWAY.
    pub fn error(&self) -> u32 {
        let at = if self.kind == kind::GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }

    /// The status of the first response of a connection: later ones may point to what was sent before.
    pub fn status(&self) -> u16 {
        /// RFC 7541, appendix A: entries 8 to 14.
        const INDEXED: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
        /// A literal with the name of entry 8, and three digits in Huffman's code.
        const LITERAL: u8 = 0x48;
        match self.payload[..] {
            [index @ 0x88..=0x8e, ..] => INDEXED[usize::from(index - 0x88)],
            [LITERAL, length, ref value @ ..] if length & 0x80 != 0 => digits(&value[..usize::from(length & 0x7f)]),
            _ => panic!("no status in {:?}", self.payload),
        }
    }
}

/// RFC 7541, appendix B: 0 to 2 have five bits, 3 to 9 have six.
fn digits(code: &[u8]) -> u16 {
    let bits: Vec<u8> = code.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    let (mut at, mut number) = (0, 0);
    let value = |from: usize, to: usize| bits[from..to].iter().fold(0u16, |value, bit| value << 1 | u16::from(*bit));
    for _ in 0..3 {
        let short = value(at, at + 5);
        let (digit, length) = if short <= 2 { (short, 5) } else { (value(at, at + 6) - 0b01_1001 + 3, 6) };
        (at, number) = (at + length, number * 10 + digit);
    }
    number
}

/// A frame's bytes.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// SETTINGS with these values.
pub fn settings(values: &[(u16, u32)]) -> Vec<u8> {
    let payload: Vec<u8> =
        values.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()).collect();
    frame(kind::SETTINGS, 0, 0, &payload)
}

/// A header block of literals that nothing is remembered of.
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        text(&mut block, name.as_bytes());
        text(&mut block, value.as_bytes());
    }
    block
}

/// A text as RFC 7541, 5.2 has it, without Huffman's code.
pub fn text(to: &mut Vec<u8>, text: &[u8]) {
    const PREFIX: usize = 0x7f;
    if text.len() < PREFIX {
        to.push(text.len() as u8);
    } else {
        to.push(PREFIX as u8);
        let mut rest = text.len() - PREFIX;
        while rest >= 0x80 {
            to.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        to.push(rest as u8);
    }
    to.extend_from_slice(text);
}

/// The fields of an ordinary GET, and further ones.
pub fn get<'a>(path: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&[(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", path)], more].concat()
}

/// One connection. Every wait on it ends with [`DEADLINE`].
#[derive(Debug)]
pub struct FrameClient {
    stream: TcpStream,
}

impl FrameClient {
    /// A connection to `to` that has said hello.
    pub fn connect(to: SocketAddr) -> Self {
        Self::with_settings(to, &[])
    }

    /// A connection whose hello has these settings.
    pub fn with_settings(to: SocketAddr, values: &[(u16, u32)]) -> Self {
        let mut client = Self::bare(to);
        client.send([PREFACE, &settings(values)].concat());
        client
    }

    /// A connection that has said nothing.
    pub fn bare(to: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&to, DEADLINE).unwrap_or_else(|e| panic!("connecting to {to}: {e}"));
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream }
    }

    /// Sends bytes as they are. A peer that has closed shows in what is read.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// A whole request without a body.
    pub fn get(&mut self, stream: u32, path: &str) {
        self.send(frame(kind::HEADERS, END_HEADERS | END_STREAM, stream, &block(&get(path, &[]))));
    }

    /// The next frame; nothing where the peer has closed.
    pub fn receive(&mut self) -> Option<Frame> {
        match self.try_receive() {
            Ok(frame) => Some(frame),
            Err(e) if matches!(e.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => None,
            Err(e) => panic!("no frame: {e}"),
        }
    }

    fn try_receive(&mut self) -> io::Result<Frame> {
        let mut head = [0; HEAD];
        self.stream.read_exact(&mut head)?;
        let [a, b, c, kind, flags, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.stream.read_exact(&mut payload)?;
        Ok(Frame { kind, flags, stream: u32::from_be_bytes(stream), payload })
    }

    /// The next frame of a type.
    #[track_caller]
    pub fn until(&mut self, kind: u8) -> Frame {
        loop {
            let Some(frame) = self.receive() else { panic!("closed without a frame of type {kind}") };
            if frame.kind == kind {
                return frame;
            }
        }
    }

    /// Whatever says what became of a stream or of all: HEADERS, RST_STREAM or GOAWAY.
    #[track_caller]
    pub fn outcome(&mut self) -> Frame {
        loop {
            let Some(frame) = self.receive() else { panic!("closed without a word") };
            if matches!(frame.kind, kind::HEADERS | kind::RST_STREAM | kind::GOAWAY) {
                return frame;
            }
        }
    }

    /// Whether nothing comes for a time.
    pub fn is_quiet_for(&mut self, time: Duration) -> bool {
        self.stream.set_read_timeout(Some(time)).unwrap();
        let quiet = self.stream.peek(&mut [0]).is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock);
        self.stream.set_read_timeout(Some(DEADLINE)).unwrap();
        quiet
    }

    /// Every frame until the peer closes.
    pub fn rest(&mut self) -> Vec<Frame> {
        std::iter::from_fn(|| self.receive()).collect()
    }

    /// Says that nothing more will be sent.
    pub fn finish_sending(&mut self) {
        // It may be closed already.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// A connection of its own to the same socket, for another thread.
    pub fn another_hand(&self) -> Self {
        Self { stream: self.stream.try_clone().unwrap() }
    }
}
