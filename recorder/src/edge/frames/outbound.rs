//! What the library sends: how much data, and the errors by which it refuses what it got.

use super::cursor::{Cursor, Piece};
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
}

/// An error frame that has not been sent whole.
#[derive(Clone, Copy, Debug)]
struct Pending {
    scope: ErrorScope,
    /// Bytes before the code.
    before: usize,
    /// Bytes of the code.
    left: usize,
    code: u32,
}

/// Watches what goes.
#[derive(Debug)]
pub(super) struct Outbound {
    cursor: Cursor,
    error: Option<Pending>,
}

impl Outbound {
    pub(super) fn new() -> Self {
        Self { cursor: Cursor::new(0), error: None }
    }

    /// Whether another frame may be sent behind what was.
    pub(super) fn is_between(&self) -> bool {
        self.cursor.is_between()
    }

    /// Watches the next bytes.
    pub(super) fn feed(&mut self, mut bytes: &[u8], mut sent: impl FnMut(Sent)) {
        while let Some(piece) = self.cursor.next(&mut bytes) {
            match piece {
                Piece::Head(head) => {
                    self.error = match head.kind {
                        RST_STREAM => Some(Pending::new(ErrorScope::Stream, 0)),
                        GOAWAY => Some(Pending::new(ErrorScope::Connection, BEFORE_CODE)),
                        _ => None,
                    };
                    if matches!(head.kind, DATA | HEADERS) {
                        let data = if head.kind == DATA { head.length } else { 0 };
                        sent(Sent::Response { data, end: head.flags & END_STREAM != 0 });
                    }
                }
                Piece::Payload(payload) => {
                    if let Some(error) = self.error.as_mut().and_then(|pending| pending.feed(payload)) {
                        self.error = None;
                        sent(Sent::Error(error));
                    }
                }
            }
        }
    }
}

impl Pending {
    fn new(scope: ErrorScope, before: usize) -> Self {
        Self { scope, before, left: size_of::<u32>(), code: 0 }
    }

    fn feed(&mut self, payload: &[u8]) -> Option<StreamError> {
        let skipped = self.before.min(payload.len());
        self.before -= skipped;
        for byte in payload[skipped..].iter().take(self.left) {
            self.code = self.code << 8 | u32::from(*byte);
            self.left -= 1;
        }
        (self.left == 0).then_some(StreamError { scope: self.scope, code: self.code })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_found_whole_in_any_stretches() {
        let bytes = [
            &[0, 0, 4, RST_STREAM, 0, 0, 0, 0, 1, 0, 0, 0, 1][..],
            &[0, 0, 3, DATA, END_STREAM, 0, 0, 0, 3, 0, 0, 7],
            &[0, 0, 10, GOAWAY, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 11, b'n', b'o'],
            &[0, 0, 1, HEADERS, 4, 0, 0, 0, 5, 0x88],
        ]
        .concat();
        let error = |scope, code| Sent::Error(StreamError { scope, code });
        for cut in 1..bytes.len() {
            let (mut outbound, mut found) = (Outbound::new(), Vec::new());
            bytes.chunks(cut).for_each(|stretch| outbound.feed(stretch, |sent| found.push(sent)));
            let wanted = [
                error(ErrorScope::Stream, 1),
                Sent::Response { data: 3, end: true },
                error(ErrorScope::Connection, 11),
                Sent::Response { data: 0, end: false },
            ];
            assert_eq!(found, wanted, "in stretches of {cut}");
            assert!(outbound.is_between());
        }
    }
}
