//! The chunked transfer coding, watched to the byte (RFC 9112, 7.1).

use super::HeadLimits;
use super::head::check_field;
use super::lines::Lines;
use crate::edge::Refusal;

/// Chunk extensions have no use here and were a way to keep a proxy busy for nothing.
const MAX_SIZE_LINE: usize = 4 << 10;
/// Sixteen digits would reach beyond a 64-bit length's sign.
const MAX_SIZE_DIGITS: usize = 15;

/// The library takes no larger trailer section.
const MAX_TRAILERS: usize = (16 << 10) - 1;

/// Where in the chunked body the connection stands.
#[derive(Debug)]
pub(super) struct Chunked {
    state: State,
    trailers: Vec<u8>,
}

#[derive(Debug)]
enum State {
    Size { value: u64, digits: usize },
    Extension { length: usize, value: u64 },
    SizeLf { value: u64 },
    Data(u64),
    DataCr,
    DataLf,
    Trailers(Lines),
    Ended,
}

impl Chunked {
    pub(super) fn new() -> Self {
        Self { state: State::Size { value: 0, digits: 0 }, trailers: Vec::new() }
    }

    /// The last chunk and the trailers have been seen.
    pub(super) fn ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// Uses up some of the bytes, at least one.
    pub(super) fn step(&mut self, bytes: &[u8], limits: HeadLimits) -> Result<usize, Refusal> {
        let byte = bytes[0];
        self.state = match (&mut self.state, byte) {
            (State::Size { value, digits }, _) if byte.is_ascii_hexdigit() => {
                if *digits == MAX_SIZE_DIGITS {
                    return Err(Refusal::Chunk);
                }
                let digit = (byte as char).to_digit(16).map_or(0, u64::from);
                State::Size { value: *value << 4 | digit, digits: *digits + 1 }
            }
            (State::Size { value, digits: 1.. }, b'\r') => State::SizeLf { value: *value },
            (State::Size { value, digits: 1.. }, b';') => State::Extension { length: 1, value: *value },
            (State::Extension { value, .. }, b'\r') => State::SizeLf { value: *value },
            (State::Extension { length, value, .. }, b'\t' | b' '..=b'~' | 0x80..) if *length < MAX_SIZE_LINE => {
                State::Extension { length: *length + 1, value: *value }
            }
            (State::SizeLf { value: 0 }, b'\n') => State::Trailers(Lines::default()),
            (State::SizeLf { value }, b'\n') => State::Data(*value),
            (State::Data(left), _) => {
                let used = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= used as u64;
                if *left == 0 {
                    self.state = State::DataCr;
                }
                return Ok(used);
            }
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Size { value: 0, digits: 0 },
            (State::Trailers(_), _) => return self.trailers(bytes, limits),
            _ => return Err(Refusal::Chunk),
        };
        Ok(1)
    }

    fn trailers(&mut self, bytes: &[u8], limits: HeadLimits) -> Result<usize, Refusal> {
        let State::Trailers(lines) = &mut self.state else { return Ok(0) };
        let end = lines.find_end(bytes, limits.head.min(MAX_TRAILERS))?;
        self.trailers.extend_from_slice(&bytes[..end.unwrap_or(bytes.len())]);
        let Some(used) = end else { return Ok(bytes.len()) };
        let mut fields = 0;
        for line in self.trailers.split(|b| *b == b'\n').filter_map(|l| l.strip_suffix(b"\r")).filter(|l| !l.is_empty())
        {
            check_field(line)?;
            fields += 1;
        }
        if fields > limits.fields {
            return Err(Refusal::TooManyFields);
        }
        self.state = State::Ended;
        Ok(used)
    }
}
