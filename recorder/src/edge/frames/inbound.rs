//! What a client sends: frames that carry nothing, resets, and header blocks that do not end.

use std::time::Instant;

use super::budget::Budget;
use super::cursor::{Cursor, FrameHead, Piece};
use super::{CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PREFACE, RST_STREAM, SETTINGS};

/// Frames that are neither requests nor data: SETTINGS, PING, PRIORITY, WINDOW_UPDATE, unknown ones, and empty DATA. As many
/// as one that is useful may need come back with it: gRPC clients send a PING and a WINDOW_UPDATE or two with each
/// stretch of data.
const CONTROL: u32 = 1000;
const CONTROL_PER_SECOND: u32 = 100;
const CONTROL_PER_USEFUL: u32 = 4;

/// Streams that their client resets; one comes back with each response that ends. A client that gives up on all of its
/// streams at once a few times is within it.
const RESETS: u32 = 500;
const RESETS_PER_SECOND: u32 = 100;

/// Frames of one header block: as many as a block of the largest size needs, with room for clients that send small ones.
const BLOCK_FRAMES: usize = 64;

/// Why a connection is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flood {
    /// Frames that carry nothing.
    Control,
    /// Resets.
    Resets,
    /// A header block over any limit.
    Block,
    /// No flood, but no HTTP/2 either: a connection begins with SETTINGS (RFC 9113, 3.4).
    NoSettings,
}

/// Watches what comes.
#[derive(Debug)]
pub(super) struct Inbound {
    cursor: Cursor,
    control: Budget,
    resets: Budget,
    largest_block: usize,
    /// The header block that has not ended: its bytes and its frames.
    block: Option<(usize, usize)>,
    last_stream: u32,
    has_begun: bool,
}

impl Inbound {
    /// `largest_block`: of a header block, in bytes as they come.
    pub(super) fn new(largest_block: usize, now: Instant) -> Self {
        Self {
            cursor: Cursor::new(PREFACE),
            control: Budget::new(CONTROL, CONTROL_PER_SECOND, now),
            resets: Budget::new(RESETS, RESETS_PER_SECOND, now),
            largest_block,
            block: None,
            last_stream: 0,
            has_begun: false,
        }
    }

    /// Whether a header block has begun and not ended.
    pub(super) fn is_in_block(&self) -> bool {
        self.block.is_some()
    }

    /// The highest stream that was opened.
    pub(super) fn last_stream(&self) -> u32 {
        self.last_stream
    }

    /// Something useful was sent to the client.
    pub(super) fn answered(&mut self, end: bool) {
        self.control.earn(CONTROL_PER_USEFUL);
        if end {
            self.resets.earn(1);
        }
    }

    /// Watches the next bytes.
    pub(super) fn feed(&mut self, mut bytes: &[u8], now: Instant) -> Result<(), Flood> {
        while let Some(piece) = self.cursor.next(&mut bytes) {
            if let Piece::Head(head) = piece {
                self.frame(head, now)?;
            }
        }
        Ok(())
    }

    fn frame(&mut self, head: FrameHead, now: Instant) -> Result<(), Flood> {
        if !std::mem::replace(&mut self.has_begun, true) && head.kind != SETTINGS {
            return Err(Flood::NoSettings);
        }
        let is_useful = match head.kind {
            HEADERS => {
                self.last_stream = self.last_stream.max(head.stream);
                self.block = Some((0, 0));
                self.block_frame(head)?;
                true
            }
            CONTINUATION => {
                self.block_frame(head)?;
                head.length > 0
            }
            RST_STREAM => return if self.resets.spend(now) { Ok(()) } else { Err(Flood::Resets) },
            DATA => head.length > 0 || head.flags & END_STREAM != 0,
            _ => false,
        };
        if is_useful {
            self.control.earn(CONTROL_PER_USEFUL);
            return Ok(());
        }
        if self.control.spend(now) { Ok(()) } else { Err(Flood::Control) }
    }

    fn block_frame(&mut self, head: FrameHead) -> Result<(), Flood> {
        let Some((bytes, frames)) = &mut self.block else { return Ok(()) };
        (*bytes, *frames) = (*bytes + head.length, *frames + 1);
        if *bytes > self.largest_block || *frames > BLOCK_FRAMES {
            return Err(Flood::Block);
        }
        if head.flags & END_HEADERS != 0 {
            self.block = None;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PING: u8 = 6;

    fn frame(kind: u8, flags: u8, stream: u8, length: u8) -> Vec<u8> {
        [&[0, 0, length, kind, flags, 0, 0, 0, stream][..], &vec![0; length.into()]].concat()
    }

    /// A connection that has begun.
    fn begun(now: Instant) -> Inbound {
        let mut inbound = Inbound::new(1000, now);
        inbound.feed(&[&[0; PREFACE][..], &frame(SETTINGS, 0, 0, 0), &frame(DATA, 0, 1, 1)].concat(), now).unwrap();
        inbound
    }

    /// How many of the frames pass, and what ends them.
    fn passes(frames: &[u8], most: usize, mut between: impl FnMut(&mut Inbound)) -> (usize, Option<Flood>) {
        let now = Instant::now();
        let mut inbound = begun(now);
        for n in 0..most {
            if let Err(flood) = inbound.feed(frames, now) {
                return (n, Some(flood));
            }
            between(&mut inbound);
        }
        (most, None)
    }

    #[test]
    fn frames_that_carry_nothing_are_a_flood() {
        for frame in [frame(SETTINGS, 0, 0, 6), frame(PING, 0, 0, 8), frame(DATA, 0, 1, 0), frame(200, 0, 0, 1)] {
            assert_eq!(passes(&frame, 5000, |_| ()), (1000, Some(Flood::Control)), "{frame:?}");
        }
        let beside_data = [frame(PING, 0, 0, 8), frame(8, 0, 1, 4), frame(DATA, 0, 1, 9)].concat();
        assert_eq!(passes(&beside_data, 5000, |_| ()), (5000, None));
        assert_eq!(passes(&frame(8, 0, 1, 4), 5000, |inbound| inbound.answered(false)), (5000, None));
    }

    #[test]
    fn resets_without_responses_are_a_flood() {
        let both = [frame(HEADERS, END_HEADERS, 1, 9), frame(RST_STREAM, 0, 1, 4)].concat();
        assert_eq!(passes(&both, 5000, |_| ()), (500, Some(Flood::Resets)));
        assert_eq!(passes(&both, 5000, |inbound| inbound.answered(true)), (5000, None));
    }

    #[test]
    fn a_header_block_has_a_size_and_ends() {
        let (open, more) = (frame(HEADERS, 0, 1, 100), frame(CONTINUATION, 0, 1, 0));
        let now = Instant::now();
        let mut inbound = begun(now);
        inbound.feed(&open, now).unwrap();
        assert!(inbound.is_in_block());
        let frames = (0..).take_while(|_| inbound.feed(&more, now).is_ok()).count();
        assert_eq!(frames, BLOCK_FRAMES - 1);

        let mut inbound = begun(now);
        inbound.feed(&open, now).unwrap();
        let more = frame(CONTINUATION, 0, 1, 225);
        assert_eq!((0..9).take_while(|_| inbound.feed(&more, now).is_ok()).count(), 4);

        let mut inbound = begun(now);
        inbound.feed(&[open, frame(CONTINUATION, END_HEADERS, 1, 9)].concat(), now).unwrap();
        assert!(!inbound.is_in_block());
        assert_eq!(inbound.last_stream(), 1);
    }

    #[test]
    fn a_connection_begins_with_settings() {
        let now = Instant::now();
        let mut inbound = Inbound::new(1000, now);
        inbound.feed(&[0; PREFACE], now).unwrap();
        assert_eq!(inbound.feed(&frame(HEADERS, END_HEADERS, 1, 9), now), Err(Flood::NoSettings));
    }
}
