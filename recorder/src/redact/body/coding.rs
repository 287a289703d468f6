//! Content codings (RFC 9110, 8.4.1): a body is decoded to be looked into, and encoded again the same way.

use std::io::{self, Read, Write};

use brotli::enc::StandardAlloc;
use brotli::{BrotliDecompressStream, BrotliResult, BrotliState};
use flate2::Compression;
use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use umbra_common::exchange::Fields;

use crate::redact::pen::BodyDrop;

/// Decoded, a body may be so large: a small one that grows to more is an attack.
pub(super) const LARGEST_DECODED: usize = 16 << 20;

/// More codings over each other are an attack too.
const MOST_CODINGS: usize = 3;

/// The window that RFC 9659 allows for zstd on the web, as a power of two.
const ZSTD_WINDOW: u32 = 23;

/// Encoding again is to cost little; what it gives is read once or twice.
const BROTLI_QUALITY: u32 = 3;
const BROTLI_WINDOW: u32 = 20;
const ZSTD_LEVEL: i32 = 1;
const BUFFER: usize = 64 << 10;

/// One coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Gzip,
    /// In the format that the name means.
    Zlib,
    /// In the one that some senders take it to mean.
    RawDeflate,
    Brotli,
    Zstd,
}

/// The codings that were applied, in order, or that one of them is not known.
pub(super) fn of(headers: &Fields) -> Result<Vec<Coding>, BodyDrop> {
    let mut codings = Vec::new();
    let names = headers.get_all("content-encoding").flat_map(|value| value.split(|b| *b == b','));
    for name in names.map(|name| name.trim_ascii().to_ascii_lowercase()) {
        codings.push(match &name[..] {
            b"" | b"identity" => continue,
            b"gzip" | b"x-gzip" => Coding::Gzip,
            b"deflate" => Coding::Zlib,
            b"br" => Coding::Brotli,
            b"zstd" => Coding::Zstd,
            _ => return Err(BodyDrop::Coding),
        });
    }
    // What the connection's coding holds besides chunks is not taken off on the way.
    let chunked = |value: &[u8]| value.eq_ignore_ascii_case(b"chunked");
    if codings.len() > MOST_CODINGS || !headers.get_all("transfer-encoding").all(chunked) {
        return Err(BodyDrop::Coding);
    }
    Ok(codings)
}

/// What `bytes` hold, and the codings as they turned out to be.
pub(super) fn decode(mut codings: Vec<Coding>, bytes: &[u8]) -> Result<(Vec<Coding>, Vec<u8>), BodyDrop> {
    let mut decoded: Option<Vec<u8>> = None;
    for coding in codings.iter_mut().rev() {
        let from = decoded.as_deref().unwrap_or(bytes);
        if *coding == Coding::Zlib && !is_zlib(from) {
            *coding = Coding::RawDeflate;
        }
        decoded = Some(coding.decode(from)?);
    }
    Ok((codings, decoded.unwrap_or_else(|| bytes.to_vec())))
}

/// `bytes` in these codings.
pub(super) fn encode(codings: &[Coding], mut bytes: Vec<u8>) -> io::Result<Vec<u8>> {
    for coding in codings {
        bytes = coding.encode(&bytes)?;
    }
    Ok(bytes)
}

/// The two bytes that the zlib format begins with (RFC 1950, 2.2).
fn is_zlib(bytes: &[u8]) -> bool {
    matches!(bytes, [method, flags, ..] if method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]) % 31 == 0)
}

impl Coding {
    /// Everything that `from` holds. What stands behind the end is an error: nobody would look into it.
    fn decode(self, from: &[u8]) -> Result<Vec<u8>, BodyDrop> {
        let rest_of = |rest: &[u8]| if rest.is_empty() { Ok(()) } else { Err(BodyDrop::Broken) };
        match self {
            Self::Gzip => bounded(MultiGzDecoder::new(from)).map(|(decoded, _)| decoded),
            Self::Zlib => {
                let (decoded, decoder) = bounded(ZlibDecoder::new(from))?;
                rest_of(decoder.into_inner()).map(|()| decoded)
            }
            Self::RawDeflate => {
                let (decoded, decoder) = bounded(DeflateDecoder::new(from))?;
                rest_of(decoder.into_inner()).map(|()| decoded)
            }
            Self::Brotli => brotli(from),
            Self::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(from).map_err(|_| BodyDrop::Broken)?;
                decoder.window_log_max(ZSTD_WINDOW).map_err(|_| BodyDrop::Broken)?;
                bounded(decoder).map(|(decoded, _)| decoded)
            }
        }
    }

    fn encode(self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let into = Vec::with_capacity(bytes.len() / 2);
        match self {
            Self::Gzip => {
                let mut encoder = GzEncoder::new(into, Compression::fast());
                encoder.write_all(bytes)?;
                encoder.finish()
            }
            Self::Zlib => {
                let mut encoder = ZlibEncoder::new(into, Compression::fast());
                encoder.write_all(bytes)?;
                encoder.finish()
            }
            Self::RawDeflate => {
                let mut encoder = DeflateEncoder::new(into, Compression::fast());
                encoder.write_all(bytes)?;
                encoder.finish()
            }
            Self::Brotli => {
                let mut encoded = into;
                let mut encoder = brotli::CompressorReader::new(bytes, BUFFER, BROTLI_QUALITY, BROTLI_WINDOW);
                encoder.read_to_end(&mut encoded)?;
                Ok(encoded)
            }
            Self::Zstd => zstd::stream::encode_all(bytes, ZSTD_LEVEL),
        }
    }
}

fn bounded<R: Read>(decoder: R) -> Result<(Vec<u8>, R), BodyDrop> {
    let mut decoded = Vec::new();
    let mut limited = decoder.take(LARGEST_DECODED as u64 + 1);
    limited.read_to_end(&mut decoded).map_err(|_| BodyDrop::Broken)?;
    if decoded.len() > LARGEST_DECODED {
        return Err(BodyDrop::TooLarge);
    }
    Ok((decoded, limited.into_inner()))
}

/// By hand: the library's reader takes what stands behind the end for no error.
fn brotli(from: &[u8]) -> Result<Vec<u8>, BodyDrop> {
    let alloc = StandardAlloc::default;
    let mut state = BrotliState::new_strict(alloc(), alloc(), alloc());
    let (mut decoded, mut buffer) = (Vec::new(), vec![0; BUFFER]);
    let (mut left, mut read, mut total) = (from.len(), 0, 0);
    loop {
        let (mut room, mut written) = (buffer.len(), 0);
        let result = BrotliDecompressStream(
            &mut left,
            &mut read,
            from,
            &mut room,
            &mut written,
            &mut buffer,
            &mut total,
            &mut state,
        );
        decoded.extend_from_slice(&buffer[..written]);
        if decoded.len() > LARGEST_DECODED {
            return Err(BodyDrop::TooLarge);
        }
        match result {
            BrotliResult::NeedsMoreOutput => {}
            BrotliResult::ResultSuccess if left == 0 => return Ok(decoded),
            BrotliResult::ResultSuccess | BrotliResult::NeedsMoreInput | BrotliResult::ResultFailure => {
                return Err(BodyDrop::Broken);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: [Coding; 5] = [Coding::Gzip, Coding::Zlib, Coding::RawDeflate, Coding::Brotli, Coding::Zstd];

    fn named(value: &str) -> Fields {
        [("content-encoding", value)].into_iter().collect()
    }

    #[test]
    fn codings_are_known_by_name() {
        assert_eq!(of(&named("GZIP, br ,identity")), Ok(vec![Coding::Gzip, Coding::Brotli]));
        assert_eq!(of(&named("snappy")), Err(BodyDrop::Coding));
        assert_eq!(of(&named("gzip,gzip,gzip,gzip")), Err(BodyDrop::Coding));
        assert_eq!(of(&[("transfer-encoding", "gzip, chunked")].into_iter().collect()), Err(BodyDrop::Coding));
        assert_eq!(of(&[("transfer-encoding", "chunked")].into_iter().collect()), Ok(vec![]));
    }

    #[test]
    fn what_stands_behind_the_end_or_is_cut_is_broken() {
        for coding in ALL {
            let encoded = coding.encode(b"hello, hello, hello").unwrap();
            let more = [&encoded[..], b"secret"].concat();
            assert_eq!(coding.decode(&more), Err(BodyDrop::Broken), "{coding:?}");
            assert_eq!(coding.decode(&encoded[..encoded.len() - 1]), Err(BodyDrop::Broken), "{coding:?}");
        }
    }

    #[test]
    fn a_body_that_grows_without_end_is_given_up() {
        let zeros = vec![0; LARGEST_DECODED + 1];
        for coding in ALL {
            let bomb = coding.encode(&zeros).unwrap();
            assert!(bomb.len() < LARGEST_DECODED / 100, "{coding:?}");
            assert_eq!(coding.decode(&bomb), Err(BodyDrop::TooLarge), "{coding:?}");
        }
    }

    #[test]
    fn deflate_is_taken_in_both_of_its_meanings() {
        for real in [Coding::Zlib, Coding::RawDeflate] {
            let encoded = real.encode(b"hello, hello").unwrap();
            assert_eq!(decode(vec![Coding::Zlib], &encoded), Ok((vec![real], b"hello, hello".to_vec())));
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes(bytes: Vec<u8>, codings in proptest::sample::subsequence(ALL.to_vec(), 0..=3)) {
            let encoded = encode(&codings, bytes.clone()).unwrap();
            let decoded = decode(codings, &encoded).map(|(_, decoded)| decoded);
            prop_assert_eq!(decoded, Ok(bytes));
        }

        #[test]
        fn any_bytes_are_taken_without_a_panic(bytes: Vec<u8>) {
            for coding in ALL {
                let _ = coding.decode(&bytes);
            }
        }
    }
}
