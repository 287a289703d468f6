//! Format version 1. **Never edit the order or the type of what is written here**: add a version instead.
//!
//! bincode 2, standard configuration (little-endian, variable-length integers), fields in the order of
//! [`encode`]: byte strings as length and bytes, sections as a count and (name, value) pairs, enums as one byte.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bincode::config::{Configuration, standard};
use bytes::Bytes;

use super::DecodeError;
use crate::exchange::{Body, Ending, Exchange, ExchangeId, Fields, HttpVersion, Request, Response, Scheme};
use crate::fraction::Fraction;
use crate::time::Timestamp;

const CONFIG: Configuration = standard();
/// From here on a number takes more than the byte of its value (bincode's specification, "Unsigned integers").
const LONGER: u64 = 251;
/// The bytes in front of a number that takes two, four or eight.
const TWO_BYTES: u8 = 251;
const FOUR_BYTES: u8 = 252;
const EIGHT_BYTES: u8 = 253;

/// The most fields in one section; the recorder's own limit is far below.
const MAX_FIELDS: u64 = 100_000;

pub(super) fn encode<B: AsRef<[u8]>, S: AsRef<str>>(exchange: &Exchange<B, S>, to: &mut Vec<u8>) {
    let mut w = Writer(to);
    w.fixed(&exchange.id.to_bytes());
    w.number(exchange.arrival.as_nanos());
    w.address(exchange.client);
    let request = &exchange.request;
    w.bytes(request.method.as_ref());
    w.bytes(request.target.as_ref());
    w.byte(match request.version {
        HttpVersion::Http10 => 10,
        HttpVersion::Http11 => 11,
        HttpVersion::Http2 => 20,
    });
    w.byte(match request.scheme {
        Scheme::Http => 0,
        Scheme::Https => 1,
    });
    w.bytes(request.authority.as_ref());
    w.fields(&request.headers);
    w.body(&request.body);
    w.fields(&request.trailers);
    w.bytes(exchange.session.as_ref());
    w.number(u64::from(exchange.sampled_at.ppb()));
    w.bytes(exchange.upstream.as_ref().as_bytes());
    w.bytes(exchange.recorder.as_ref().as_bytes());
    w.byte(match exchange.ending {
        Ending::Complete => 0,
        Ending::ClientAborted => 1,
        Ending::UpstreamError => 2,
        Ending::Timeout => 3,
        Ending::Unfinished => 4,
        Ending::Sunk => 5,
    });
    w.duration(exchange.total);
    match &exchange.response {
        None => w.byte(0),
        Some(response) => {
            w.byte(1);
            w.number(u64::from(response.status));
            w.fields(&response.headers);
            w.body(&response.body);
            w.fields(&response.trailers);
            w.duration(response.first_byte);
        }
    }
}

/// `offset`: where `body` begins in the record, for errors.
pub(super) fn decode(body: &[u8], offset: usize) -> Result<Exchange, DecodeError> {
    let mut r = Reader { all: body, at: 0, offset };
    let exchange = Exchange {
        id: ExchangeId::from_bytes(r.fixed("id")?),
        arrival: Timestamp::from_nanos(r.number("arrival")?),
        client: r.address("client")?,
        request: Request {
            method: r.bytes("method")?,
            target: r.bytes("target")?,
            version: match r.byte("version")? {
                10 => HttpVersion::Http10,
                11 => HttpVersion::Http11,
                20 => HttpVersion::Http2,
                other => return Err(r.broken("version", format!("{other} is no protocol version"))),
            },
            scheme: match r.byte("scheme")? {
                0 => Scheme::Http,
                1 => Scheme::Https,
                other => return Err(r.broken("scheme", format!("{other} is no scheme"))),
            },
            authority: r.bytes("authority")?,
            headers: r.fields("headers")?,
            body: r.body("body")?,
            trailers: r.fields("trailers")?,
        },
        session: r.bytes("session")?,
        sampled_at: u32::try_from(r.number("sampled_at")?)
            .map(Fraction::from_ppb)
            .map_err(|_| r.broken("sampled_at", "it is over a billion".into()))?,
        upstream: r.text("upstream")?,
        recorder: r.text("recorder")?,
        ending: match r.byte("ending")? {
            0 => Ending::Complete,
            1 => Ending::ClientAborted,
            2 => Ending::UpstreamError,
            3 => Ending::Timeout,
            4 => Ending::Unfinished,
            5 => Ending::Sunk,
            other => return Err(r.broken("ending", format!("{other} is no ending"))),
        },
        total: r.duration("total")?,
        response: match r.byte("response")? {
            0 => None,
            1 => Some(Response {
                status: u16::try_from(r.number("status")?)
                    .map_err(|_| r.broken("status", "it is over 65535".into()))?,
                headers: r.fields("response headers")?,
                body: r.body("response body")?,
                trailers: r.fields("response trailers")?,
                first_byte: r.duration("first_byte")?,
            }),
            other => return Err(r.broken("response", format!("{other} is neither absent (0) nor present (1)"))),
        },
    };
    match body.len() - r.at {
        0 => Ok(exchange),
        more => Err(DecodeError::Trailing(more)),
    }
}

struct Writer<'a>(&'a mut Vec<u8>);

impl Writer<'_> {
    fn fixed(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    #[inline]
    fn number(&mut self, number: u64) {
        if number < LONGER {
            self.byte(number as u8);
        } else {
            self.long_number(number);
        }
    }

    fn long_number(&mut self, number: u64) {
        if let Ok(number) = u16::try_from(number) {
            self.marked(TWO_BYTES, number.to_le_bytes());
        } else if let Ok(number) = u32::try_from(number) {
            self.marked(FOUR_BYTES, number.to_le_bytes());
        } else {
            self.marked(EIGHT_BYTES, number.to_le_bytes());
        }
    }

    /// A number behind the byte that says how long it is.
    fn marked<const N: usize>(&mut self, mark: u8, number: [u8; N]) {
        self.byte(mark);
        self.fixed(&number);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.fixed(bytes);
    }

    fn duration(&mut self, duration: Duration) {
        self.number(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
    }

    fn fields(&mut self, fields: &Fields) {
        self.number(fields.len() as u64);
        self.fixed(fields.as_written());
    }

    fn body(&mut self, body: &Body<impl AsRef<[u8]>>) {
        self.bytes(body.bytes.as_ref());
        self.number(body.length);
        self.byte(u8::from(body.truncated));
    }

    /// Empty, or 4 or 16 bytes of address and 2 of port, in network order.
    fn address(&mut self, address: Option<SocketAddr>) {
        let Some(address) = address else { return self.bytes(&[]) };
        let port = address.port().to_be_bytes();
        self.byte(if address.is_ipv4() { 4 } else { 16 } + 2);
        match address.ip() {
            IpAddr::V4(ip) => self.fixed(&ip.octets()),
            IpAddr::V6(ip) => self.fixed(&ip.octets()),
        }
        self.fixed(&port);
    }
}

struct Reader<'a> {
    all: &'a [u8],
    at: usize,
    offset: usize,
}

impl<'a> Reader<'a> {
    fn broken(&self, field: &'static str, what: String) -> DecodeError {
        DecodeError::Broken { field, at: self.offset + self.at, what }
    }

    fn take(&mut self, field: &'static str, count: u64) -> Result<&'a [u8], DecodeError> {
        let rest = &self.all[self.at..];
        match usize::try_from(count).ok().and_then(|count| rest.get(..count)) {
            Some(taken) => {
                self.at += taken.len();
                Ok(taken)
            }
            None => Err(self.broken(field, format!("{count} bytes are announced, {} are left", rest.len()))),
        }
    }

    fn fixed<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        let taken = self.take(field, N as u64)?;
        taken.try_into().map_err(|_| self.broken(field, "it is cut short".into()))
    }

    fn byte(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        self.fixed::<1>(field).map(|[byte]| byte)
    }

    fn number(&mut self, field: &'static str) -> Result<u64, DecodeError> {
        if let Some(&byte) = self.all.get(self.at)
            && u64::from(byte) < LONGER
        {
            self.at += 1;
            return Ok(byte.into());
        }
        let (number, used) = bincode::decode_from_slice::<u64, _>(&self.all[self.at..], CONFIG)
            .map_err(|e| self.broken(field, e.to_string()))?;
        self.at += used;
        Ok(number)
    }

    fn slice(&mut self, field: &'static str) -> Result<&'a [u8], DecodeError> {
        let length = self.number(field)?;
        self.take(field, length)
    }

    fn bytes(&mut self, field: &'static str) -> Result<Bytes, DecodeError> {
        self.slice(field).map(Bytes::copy_from_slice)
    }

    fn text(&mut self, field: &'static str) -> Result<Arc<str>, DecodeError> {
        let bytes = self.slice(field)?;
        std::str::from_utf8(bytes).map(Arc::from).map_err(|e| self.broken(field, e.to_string()))
    }

    fn duration(&mut self, field: &'static str) -> Result<Duration, DecodeError> {
        self.number(field).map(Duration::from_nanos)
    }

    fn fields(&mut self, field: &'static str) -> Result<Fields, DecodeError> {
        let count = self.number(field)?;
        if count > MAX_FIELDS {
            return Err(self.broken(field, format!("{count} fields are over the limit of {MAX_FIELDS}")));
        }
        // Looked through first: what was announced is there then, and the section takes no more than it needs.
        let (begin, mut bytes) = (self.at, 0);
        for _ in 0..2 * count {
            bytes += self.slice(field)?.len();
        }
        self.at = begin;
        let mut fields = Fields::with_capacity(usize::try_from(count).unwrap_or(0), bytes);
        for _ in 0..count {
            let name = self.slice(field)?;
            let value = self.slice(field)?;
            fields.push(name, value);
        }
        Ok(fields)
    }

    fn body(&mut self, field: &'static str) -> Result<Body, DecodeError> {
        let bytes = self.bytes(field)?;
        let length = self.number(field)?;
        let truncated = match self.byte(field)? {
            0 => false,
            1 => true,
            other => return Err(self.broken(field, format!("{other} is neither whole (0) nor truncated (1)"))),
        };
        Ok(Body { bytes, length, truncated })
    }

    fn address(&mut self, field: &'static str) -> Result<Option<SocketAddr>, DecodeError> {
        let bytes = self.slice(field)?;
        let Some((ip, [high, low])) = bytes.split_last_chunk::<2>() else {
            return if bytes.is_empty() { Ok(None) } else { Err(self.broken(field, "one byte is no address".into())) };
        };
        let ip: IpAddr = match (<[u8; 4]>::try_from(ip), <[u8; 16]>::try_from(ip)) {
            (Ok(v4), _) => v4.into(),
            (_, Ok(v6)) => v6.into(),
            _ => return Err(self.broken(field, format!("{} bytes are no address", bytes.len()))),
        };
        Ok(Some(SocketAddr::new(ip, u16::from_be_bytes([*high, *low]))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_bincodes_on_either_side_of_each_length() {
        for number in [0, 1, 250, 251, 252, 255, 256, 65_535, 65_536, u64::from(u32::MAX), 1 << 32, u64::MAX] {
            let mut written = Vec::new();
            Writer(&mut written).number(number);
            assert_eq!(written, bincode::encode_to_vec(number, standard()).unwrap(), "{number}");
        }
    }

    #[test]
    fn sections_are_bincodes_on_either_side_of_each_length() {
        let words: Vec<Vec<u8>> = [0, 1, 250, 251, 252, 65_535, 65_536].map(|length| vec![b'x'; length]).into();
        let pairs: Vec<(&[u8], &[u8])> = words.iter().map(|word| (&word[..], &word[..])).collect();
        let mut written = Vec::new();
        Writer(&mut written).fields(&pairs.iter().copied().collect());
        assert_eq!(written, bincode::encode_to_vec(&pairs, standard()).unwrap());
    }
}
