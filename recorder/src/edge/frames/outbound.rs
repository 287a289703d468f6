//! What the library sends: how much data, and by what it refuses what it got.

use super::cursor::{Cursor, FrameHead, Piece};
use super::lone_status::LoneStatus;
use super::{DATA, END_STREAM, GOAWAY, HEADERS, RST_STREAM};

/// Bytes of a GOAWAY before its error code: the last stream.
const BEFORE_CODE: usize = 4;

/// What an error ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorScope {
    /// RST_STREAM.
    Stream,
    /// GOAWAY.
    Connection,
}

/// An error that the client was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StreamError {
    /// What it ends.
    pub(crate) scope: ErrorScope,
    /// The code (RFC 9113, 7).
    pub(crate) code: u32,
}

/// What of a stretch matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// A frame of a response; so many bytes of a body.
    Response { data: usize, end: bool },
    /// An error.
    Error(StreamError),
    /// The library's own answer to a header list over its limit.
    HeadTooLarge,
}

/// A frame whose payload matters and has not been sent whole.
#[derive(Debug)]
enum Pending {
    None,
    /// Bytes before the code, bytes of the code, and what they give.
    Error {
        scope: ErrorScope,
        before: usize,
        left: usize,
        code: u32,
    },
    Status(LoneStatus),
}

/// Watches what goes.
#[derive(Debug)]
pub(super) struct Outbound {
    cursor: Cursor,
    pending: Pending,
    /// Streams whose response has begun and not ended: what ends them may be trailers. As many as may be open at once.
    begun: Vec<u32>,
}

impl Outbound {
    pub(super) fn new() -> Self {
        Self { cursor: Cursor::new(0), pending: Pending::None, begun: Vec::new() }
    }

    /// Whether another frame may be sent behind what was.
    pub(super) fn is_between(&self) -> bool {
        self.cursor.is_between()
    }

    /// Watches the next bytes.
    pub(super) fn feed(&mut self, mut bytes: &[u8], mut sent: impl FnMut(Sent)) {
        while let Some(piece) = self.cursor.next(&mut bytes) {
            match piece {
                Piece::Head(head) => self.frame(head, &mut sent),
                Piece::Payload(payload) => {
                    if let Some(found) = self.pending.feed(payload) {
                        self.pending = Pending::None;
                        sent(found);
                    }
                }
            }
        }
    }

    fn frame(&mut self, head: FrameHead, sent: &mut impl FnMut(Sent)) {
        self.pending = Pending::None;
        let end = head.flags & END_STREAM != 0;
        match head.kind {
            DATA => {
                if end {
                    self.ended(head.stream);
                }
                sent(Sent::Response { data: head.length, end });
            }
            HEADERS => {
                if !end {
                    self.begun.push(head.stream);
                } else if !self.ended(head.stream) {
                    self.pending = LoneStatus::of(head.length).map_or(Pending::None, Pending::Status);
                }
                sent(Sent::Response { data: 0, end });
            }
            RST_STREAM => {
                self.ended(head.stream);
                self.pending = Pending::error(ErrorScope::Stream, 0);
            }
            GOAWAY => self.pending = Pending::error(ErrorScope::Connection, BEFORE_CODE),
            _ => {}
        }
    }

    /// Whether the response of the stream had begun. An interim response counts as one more.
    fn ended(&mut self, stream: u32) -> bool {
        let before = self.begun.len();
        self.begun.retain(|begun| *begun != stream);
        self.begun.len() < before
    }
}

impl Pending {
    fn error(scope: ErrorScope, before: usize) -> Self {
        Self::Error { scope, before, left: size_of::<u32>(), code: 0 }
    }

    fn feed(&mut self, payload: &[u8]) -> Option<Sent> {
        match self {
            Self::None => None,
            Self::Status(status) => (status.feed(payload) == Some(true)).then_some(Sent::HeadTooLarge),
            Self::Error { scope, before, left, code } => {
                let skipped = (*before).min(payload.len());
                *before -= skipped;
                let some = payload[skipped..].iter().take(*left);
                for byte in some {
                    *code = *code << 8 | u32::from(*byte);
                    *left -= 1;
                }
                (*left == 0).then_some(Sent::Error(StreamError { scope: *scope, code: *code }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matters_is_found_whole_in_any_stretches() {
        let bytes = [
            &[0, 0, 4, RST_STREAM, 0, 0, 0, 0, 1, 0, 0, 0, 1][..],
            &[0, 0, 3, DATA, END_STREAM, 0, 0, 0, 3, 0, 0, 7],
            &[0, 0, 10, GOAWAY, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 11, b'n', b'o'],
            // A response with a body and trailers of one field.
            &[0, 0, 1, HEADERS, 4, 0, 0, 0, 5, 0x88],
            &[0, 0, 1, HEADERS, 4 | END_STREAM, 0, 0, 0, 5, 0xbe],
            // A status alone.
            &[0, 0, 1, HEADERS, 4 | END_STREAM, 0, 0, 0, 7, 0xbe],
        ]
        .concat();
        let error = |scope, code| Sent::Error(StreamError { scope, code });
        let response = |data, end| Sent::Response { data, end };
        for cut in 1..bytes.len() {
            let (mut outbound, mut found) = (Outbound::new(), Vec::new());
            bytes.chunks(cut).for_each(|stretch| outbound.feed(stretch, |sent| found.push(sent)));
            let wanted = [
                error(ErrorScope::Stream, 1),
                response(3, true),
                error(ErrorScope::Connection, 11),
                response(0, false),
                response(0, true),
                response(0, true),
                Sent::HeadTooLarge,
            ];
            assert_eq!(found, wanted, "in stretches of {cut}");
            assert!(outbound.is_between() && outbound.begun.is_empty());
        }
    }
}
