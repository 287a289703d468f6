//! The head of a response as it comes off the wire: whence the client gets the letters of names, and interim responses.
//!
//! The library could keep the one, in a map for each response that costs more than the head is long, and tell of the other.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use memchr::memmem::find;

use super::interim::Interim;

const END: &[u8] = b"\r\n\r\n";

/// So much is copied sooner than looked at.
const LITTLE: usize = 2 << 10;

/// The library takes no larger head.
const MOST: usize = 417_792;

/// Listens for one connection's responses. Clones share it; everything is on one thread.
#[derive(Clone, Debug, Default)]
pub(super) struct Overheard(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    listens: AtomicBool,
    heard: Mutex<Heard>,
}

#[derive(Debug, Default)]
struct Heard {
    head: Vec<u8>,
    /// No end is in it.
    is_partial: bool,
    interim: Option<Interim>,
}

/// The head that what was heard begins with, where the body is so long; nothing where its end is not known. Of a body that is
/// longer than it says something may stand behind the head's empty line.
pub(super) fn head(heard: &[u8], body: Option<u64>) -> &[u8] {
    // As a rule the whole of the answer was heard at once, and the head is what the body leaves. No other part of a head ends so.
    let all = body.and_then(|body| heard.split_at_checked(heard.len().checked_sub(usize::try_from(body).ok()?)?));
    match all {
        Some((head, _)) if head.ends_with(END) => head,
        _ => find(heard, END).map_or(&[], |at| &heard[..at + END.len()]),
    }
}

impl Overheard {
    /// The head that comes next is that of a response whose letters matter. Where interim ones before it go.
    pub(super) fn listen(&self, interim: Option<Interim>) {
        *self.heard() = Heard { interim, ..Heard::default() };
        self.0.listens.store(true, Ordering::Relaxed);
    }

    /// These bytes came.
    pub(super) fn hear(&self, bytes: &[u8]) {
        if self.0.listens.load(Ordering::Relaxed) && !bytes.is_empty() && !self.heard().hear(bytes) {
            self.0.listens.store(false, Ordering::Relaxed);
        }
    }

    /// The head of the response that the library has just given; a little of its body may stand behind it.
    pub(super) fn take(&self) -> Vec<u8> {
        self.0.listens.store(false, Ordering::Relaxed);
        std::mem::take(&mut *self.heard()).head
    }

    /// No response will come: gives back where interim ones were to go.
    pub(super) fn stop(&self) -> Option<Interim> {
        self.0.listens.store(false, Ordering::Relaxed);
        std::mem::take(&mut *self.heard()).interim
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.0.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Heard {
    /// Keeps what matters of these bytes; whether more may.
    fn hear(&mut self, bytes: &[u8]) -> bool {
        if self.head.is_empty() && bytes.len() <= LITTLE && !is_interim(bytes) {
            // A whole answer as a rule: looked at only if more comes.
            self.head.extend_from_slice(bytes);
            self.is_partial = false;
            return true;
        }
        let all = std::mem::take(&mut self.head);
        if all.is_empty() {
            self.is_partial = !self.keep_head(bytes);
        } else if self.is_partial || !self.keep_head(&all) {
            let from = all.len().saturating_sub(END.len() - 1);
            self.head = all;
            self.head.extend_from_slice(bytes);
            self.is_partial = !has_end(&self.head[from..]) || {
                let all = std::mem::take(&mut self.head);
                !self.keep_head(&all)
            };
        }
        self.is_partial && self.head.len() <= MOST
    }

    /// Keeps the head of the final response that these bytes begin with, or as much as there is of it. Says whether it is
    /// whole.
    fn keep_head(&mut self, mut bytes: &[u8]) -> bool {
        while is_interim(bytes) {
            let Some(end) = Interim::pass(self.interim.as_ref(), bytes) else {
                self.head.extend_from_slice(bytes);
                return false;
            };
            bytes = &bytes[end..];
        }
        let end = find(bytes, END).map(|at| at + END.len());
        self.head.extend_from_slice(&bytes[..end.unwrap_or(bytes.len())]);
        end.is_some()
    }
}

/// Whether a head may end here; a server may end lines with the line feed alone (RFC 9112, 2.2).
fn has_end(bytes: &[u8]) -> bool {
    find(bytes, END).is_some() || find(bytes, b"\n\n").is_some()
}

/// Whether another head follows this one (RFC 9110, 15.2); behind 101 another protocol does.
fn is_interim(head: &[u8]) -> bool {
    matches!(head.get(9..12), Some([b'1', rest @ ..]) if rest != b"01")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HINT: &[u8] = b"HTTP/1.1 103 Early Hints\r\nA: 1\r\n\r\n";
    const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nB: 1\r\n\r\n";
    const SWITCHED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nC: 1\r\n\r\n";

    #[test]
    fn the_final_head_is_kept_however_it_comes() {
        for (came, wanted) in [
            ([HEAD, b"body"].concat(), HEAD),
            ([HINT, HINT, HEAD, b"body\r\n\r\n"].concat(), HEAD),
            ([SWITCHED, HEAD].concat(), SWITCHED),
            ([HINT, b"HTTP/1.1 2"].concat(), b"HTTP/1.1 2"),
            (HINT.to_vec(), b""),
        ] {
            for at_once in [1, 2, 3, 20, 1000] {
                let overheard = Overheard::default();
                overheard.hear(b"nobody listens\r\n\r\n");
                for _ in 0..2 {
                    overheard.listen(None);
                    came.chunks(at_once).for_each(|some| overheard.hear(some));
                    let kept = overheard.take();
                    assert!(kept.starts_with(wanted), "{}", kept.escape_ascii());
                    assert!(kept.len() == wanted.len() || at_once == 1000, "{}", kept.escape_ascii());
                }
            }
        }
    }

    #[test]
    fn a_head_is_told_from_what_stands_behind_it() {
        let body = b"a\r\n\r\nb";
        for behind in 0..=body.len() {
            let heard = [HEAD, &body[..behind]].concat();
            for length in [None, Some(0), Some(3), Some(body.len() as u64), Some(1000), Some(u64::MAX)] {
                let head = head(&heard, length);
                let is_too_long = length.is_some_and(|length| behind as u64 > length);
                assert!(head == HEAD || (is_too_long && head.starts_with(HEAD)), "{behind} bytes of {length:?}");
            }
        }
        assert_eq!(head(&HEAD[..HEAD.len() - 1], Some(0)), b"");
        assert_eq!(head(b"", None), b"");
    }

    #[test]
    fn no_more_is_kept_than_the_library_takes() {
        let overheard = Overheard::default();
        overheard.listen(None);
        (0..20).for_each(|_| overheard.hear(&[b'x'; MOST / 10]));
        assert!(overheard.take().len() <= MOST + MOST / 10);
    }
}
