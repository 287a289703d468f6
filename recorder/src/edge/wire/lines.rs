//! Finds the empty line that ends a section of lines, over any number of stretches, and refuses bare line ends.

use crate::edge::Refusal;

/// Where the search for the empty line stands.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Bytes of the section so far.
    seen: usize,
    /// The line under way has a byte that is not its end.
    in_line: bool,
    /// The last byte was a CR: only an LF may follow.
    after_cr: bool,
}

impl Lines {
    /// How many of the bytes belong to the section, its empty line included; `None` where it goes on.
    ///
    /// `limit`: the most bytes that a section may have.
    pub(super) fn find_end(&mut self, bytes: &[u8], limit: usize) -> Result<Option<usize>, Refusal> {
        let mut at = 0;
        // What is wrong beyond the limit is not looked for, wherever a stretch ends.
        let seen = self.seen;
        let refuse = |at: usize, why| Err(if seen + at >= limit { Refusal::HeadTooLarge } else { why });
        let end = loop {
            if self.after_cr {
                match bytes.get(at) {
                    None => break None,
                    Some(b'\n') => at += 1,
                    Some(_) => return refuse(at, Refusal::LineEnd),
                }
                self.after_cr = false;
                if !self.in_line {
                    break Some(at);
                }
                self.in_line = false;
                continue;
            }
            let Some(special) = memchr::memchr3(b'\r', b'\n', 0, &bytes[at..]) else {
                self.in_line |= at < bytes.len();
                break None;
            };
            self.in_line |= special > 0;
            match bytes[at + special] {
                b'\r' => self.after_cr = true,
                b'\n' => return refuse(at + special, Refusal::LineEnd),
                _ => return refuse(at + special, Refusal::Field),
            }
            at += special + 1;
        };
        self.seen += end.unwrap_or(bytes.len());
        if self.seen > limit { Err(Refusal::HeadTooLarge) } else { Ok(end) }
    }
}
