//! The codec: an exchange as the bytes that are kept for ever.
//!
//! A record is an envelope (magic, format version, flags) followed by the bincode encoding of that
//! version's wire struct. The version is read from the envelope, never guessed. Every version that was ever written
//! stays readable: `golden/` holds the bytes that prove it.

mod envelope;
mod v1;

pub use envelope::CURRENT_VERSION;

use crate::exchange::{Body, Exchange};

/// The most bytes a record may have. Two bodies of the largest `--body-limit` and their heads fit.
pub const MAX_RECORD: usize = 192 << 20;

/// What is wrong with bytes that do not decode, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not an Umbra record at all.
    #[error("not an umbra record: it begins with {found:02x?}, not with 'UMB'")]
    Magic {
        /// The first bytes, at most three.
        found: Vec<u8>,
    },
    /// Written by a later release.
    #[error("format version {0} is not known to this release, which reads 1 to {CURRENT_VERSION}: upgrade the reader")]
    Version(u8),
    /// A flag that this release does not know.
    #[error("envelope flags {0:#010b} are not known to this release: upgrade the reader")]
    Flags(u8),
    /// Longer than any record.
    #[error("a record of {0} bytes is over the limit of {MAX_RECORD}")]
    TooLarge(usize),
    /// The body of the record is not what its version says.
    #[error("broken {field} at byte {at}: {what}")]
    Broken {
        /// The field that was being read.
        field: &'static str,
        /// Where in the record, in bytes from its start.
        at: usize,
        /// What was wrong with it.
        what: String,
    },
    /// The record was stored in parts, and some of them did not come.
    #[error(
        "{came} of the {of} parts of the record came; the others are not in the log, or not in the part of it that is read"
    )]
    Incomplete {
        /// How many came.
        came: usize,
        /// How many there are.
        of: u32,
    },
    /// There is more after the record's end.
    #[error("{0} bytes follow the end of the record")]
    Trailing(usize),
}

/// The record of an exchange, in the current format, appended to `to`.
pub fn encode_into<B: AsRef<[u8]>, S: AsRef<str>>(exchange: &Exchange<B, S>, to: &mut Vec<u8>) {
    envelope::write(to);
    v1::encode(exchange, to);
}

/// The record of an exchange, in the current format.
pub fn encode<B: AsRef<[u8]>, S: AsRef<str>>(exchange: &Exchange<B, S>) -> Vec<u8> {
    let kept = |body: &Body<B>| body.bytes.as_ref().len();
    let bodies = kept(&exchange.request.body) + exchange.response.as_ref().map_or(0, |r| kept(&r.body));
    let heads = exchange.request.headers.byte_len() + exchange.response.as_ref().map_or(0, |r| r.headers.byte_len());
    /// What the other fields and all lengths usually need.
    const REST: usize = 320;
    let mut record = Vec::with_capacity(bodies + heads + REST);
    encode_into(exchange, &mut record);
    record
}

/// The exchange of a record of any format version.
///
/// Takes any bytes without a panic; never allocates more than a small multiple of their length.
pub fn decode(record: &[u8]) -> Result<Exchange, DecodeError> {
    if record.len() > MAX_RECORD {
        return Err(DecodeError::TooLarge(record.len()));
    }
    match envelope::read(record)? {
        (1, body) => v1::decode(body, record.len() - body.len()),
        (other, _) => Err(DecodeError::Version(other)),
    }
}

#[cfg(test)]
mod tests;
