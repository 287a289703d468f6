//! The wire guard: reads a client's HTTP/1 bytes before the HTTP library does, and lets through only what two parsers
//! cannot read in two ways (RFC 9112; request smuggling).
//!
//! It is a state machine over bytes, without I/O: [`Guard::feed`] is given each stretch as it was read. It keeps the
//! raw head of each request, which is also what the record is made from: field order, duplicates and the target are as
//! they arrived, whatever a library does to them later.

mod chunked;
mod head;
mod lines;
mod mask;
mod names;

use std::collections::VecDeque;
use std::sync::Arc;

use self::chunked::Chunked;
use self::head::{Checked, Framing};
pub(crate) use self::head::{HeadView, response_fields};
use self::lines::Lines;
use self::mask::Mask;
pub(crate) use self::mask::is_plain;
pub(crate) use self::names::set_names;
use crate::config::EdgeConfig;
use crate::edge::Refusal;

/// The sizes beyond which a head is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HeadLimits {
    /// The whole head, request line and empty line included, in bytes.
    pub(crate) head: usize,
    /// The request target, in bytes.
    pub(crate) target: usize,
    /// Header fields.
    pub(crate) fields: usize,
}

impl HeadLimits {
    /// Those of the settings.
    pub(crate) fn of(edge: &EdgeConfig) -> Self {
        Self { head: edge.max_header_size.as_usize(), target: edge.max_target.as_usize(), fields: edge.max_headers }
    }
}

#[cfg(test)]
impl Default for HeadLimits {
    fn default() -> Self {
        Self { head: 64 << 10, target: 32 << 10, fields: 128 }
    }
}

/// Watches the bytes of one connection.
#[derive(Debug)]
pub(crate) struct Guard {
    limits: HeadLimits,
    state: State,
    /// The part of a head that came in an earlier stretch.
    partial: Vec<u8>,
    mask: Mask,
    heads: VecDeque<Head>,
    /// An empty line came where a request was to begin.
    empty_line: bool,
}

/// The head of one request that was let through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    /// As it came, from the request line to the empty line. Shared, in one allocation, with the record.
    pub(crate) bytes: Arc<[u8]>,
    /// The library was shown another target.
    pub(crate) is_odd: bool,
}

#[derive(Debug)]
enum State {
    Head(Lines),
    Sized(u64),
    Chunked(Chunked),
    /// A request has asked for another protocol: what follows it is HTTP or is not, as the origin decides.
    Undecided,
    /// What follows is not HTTP.
    Tunnel,
    Refused {
        why: Refusal,
        at_head: bool,
    },
}

impl Guard {
    /// A guard for a new connection.
    pub(crate) fn new(limits: HeadLimits) -> Self {
        Self {
            limits,
            state: State::Head(Lines::default()),
            partial: Vec::new(),
            mask: Mask::default(),
            heads: VecDeque::new(),
            empty_line: false,
        }
    }

    /// Watches the next bytes and says how many of them are sound: all, or those before what is refused, or those before
    /// what is [undecided](Self::is_undecided). After an error every call gives the same error: nothing behind it can be
    /// trusted. What the library would refuse in a target is hidden from it.
    pub(crate) fn feed(&mut self, bytes: &mut [u8]) -> (usize, Result<(), Refusal>) {
        let mut sound = 0;
        while sound < bytes.len() {
            match self.step(&mut bytes[sound..]) {
                Ok(0) => break,
                Ok(used) => sound += used,
                Err(why) => {
                    let at_head = match &self.state {
                        State::Head(_) => true,
                        State::Refused { at_head, .. } => *at_head,
                        _ => false,
                    };
                    self.state = State::Refused { why, at_head };
                    return (sound, Err(why));
                }
            }
        }
        (sound, Ok(()))
    }

    /// Whether nothing passes before somebody has said what follows the last request that was taken.
    pub(crate) fn is_undecided(&self) -> bool {
        matches!(self.state, State::Undecided)
    }

    /// What was undecided is the next request.
    pub(crate) fn go_on(&mut self) {
        if self.is_undecided() {
            self.state = State::Head(Lines::default());
        }
    }

    /// What was undecided is another protocol's: nothing is judged any more.
    pub(crate) fn step_aside(&mut self) {
        if self.is_undecided() {
            self.state = State::Tunnel;
        }
    }

    /// What was undecided is nobody's.
    pub(crate) fn refuse(&mut self, why: Refusal) {
        self.state = State::Refused { why, at_head: true };
    }

    /// Whether a request has passed that the library has not given yet.
    pub(crate) fn has_head(&self) -> bool {
        !self.heads.is_empty()
    }

    /// The raw head of the oldest request that has not been taken.
    pub(crate) fn take_head(&mut self) -> Option<Head> {
        self.heads.pop_front()
    }

    /// Whether a head has begun and not ended.
    pub(crate) fn is_in_head(&self) -> bool {
        matches!(self.state, State::Head(_)) && !self.partial.is_empty()
    }

    /// Whether a body has begun and not ended.
    pub(crate) fn is_in_body(&self) -> bool {
        matches!(self.state, State::Sized(_) | State::Chunked(_))
    }

    /// Whether what was refused was a head: what came before it is a whole request.
    pub(crate) fn was_at_head(&self) -> bool {
        matches!(self.state, State::Refused { at_head: true, .. })
    }

    /// Uses up some of the bytes, at least one where it is decided what they are.
    fn step(&mut self, bytes: &mut [u8]) -> Result<usize, Refusal> {
        match &mut self.state {
            State::Refused { why, .. } => Err(*why),
            State::Undecided => Ok(0),
            State::Tunnel => Ok(bytes.len()),
            State::Sized(left) => {
                let used = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= used as u64;
                if *left == 0 {
                    self.state = State::Head(Lines::default());
                }
                Ok(used)
            }
            State::Chunked(chunked) => {
                let used = chunked.step(bytes, self.limits)?;
                if chunked.ended() {
                    self.state = State::Head(Lines::default());
                }
                Ok(used)
            }
            State::Head(_) => self.head(bytes),
        }
    }

    fn head(&mut self, bytes: &mut [u8]) -> Result<usize, Refusal> {
        let State::Head(lines) = &mut self.state else { return Ok(0) };
        let Some(used) = lines.find_end(bytes, self.limits.head)? else {
            self.partial.extend_from_slice(bytes);
            self.mask.hide(bytes);
            return Ok(bytes.len());
        };
        let head: Arc<[u8]> = if self.partial.is_empty() {
            Arc::from(&bytes[..used])
        } else {
            self.partial.extend_from_slice(&bytes[..used]);
            Arc::from(std::mem::take(&mut self.partial))
        };
        let mut mask = std::mem::take(&mut self.mask);
        // One empty line before a request is passed over (RFC 9112, 2.2); the library does the same.
        if &head[..] == b"\r\n" {
            if std::mem::replace(&mut self.empty_line, true) {
                return Err(Refusal::RequestLine);
            }
            self.state = State::Head(Lines::default());
            return Ok(used);
        }
        self.empty_line = false;
        let Checked { framing, asks_upgrade, is_odd } = head::check(&head, self.limits)?;
        if is_odd {
            mask.hide(&mut bytes[..used]);
        }
        self.heads.push_back(Head { bytes: head, is_odd });
        self.state = match framing {
            // With a body it is an ordinary request: no protocol in use begins in the middle of one.
            Framing::Sized(0) if asks_upgrade => State::Undecided,
            Framing::Sized(0) => State::Head(Lines::default()),
            Framing::Sized(length) => State::Sized(length),
            Framing::Chunked => State::Chunked(Chunked::new()),
        };
        Ok(used)
    }
}

#[cfg(test)]
mod split_tests;
#[cfg(test)]
mod tests;
