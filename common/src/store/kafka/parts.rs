//! One record over several messages: how it is split, and how the parts name each other.
//!
//! A record that fits into one message is one, with the headers `umbra-id` and `umbra-v`. A larger one becomes several
//! with the same key (so the same partition; without a session it is the id), the same timestamp and `umbra-id`, and
//! `umbra-part: i/n` with i from 1 to n; the value is the i-th piece of the record's bytes. Nothing is written about pieces inside of the record itself.

use rdkafka::message::{BorrowedMessage, Headers, Message};

use crate::codec::MAX_RECORD;

/// The header that every message has: the exchange's id in text.
pub(super) const ID: &str = "umbra-id";
/// The header of every message: the format's version.
pub(super) const VERSION: &str = "umbra-v";
/// The header that makes a message a part.
pub(super) const PART: &str = "umbra-part";

/// What a message needs beside its key and value: framing, and the headers above.
const ROOM: usize = 512;
/// Below this a record would become thousands of messages that are mostly headers.
const LEAST: usize = 256;
/// More parts than any record has: a header that says so is none of ours.
const MOST: u32 = (MAX_RECORD / LEAST) as u32;

/// Which part of a record a message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// The record's id, as its header has it.
    pub(super) id: Box<[u8]>,
    /// From 1 to `of`.
    pub(super) number: u32,
    /// How many there are; more than one.
    pub(super) of: u32,
}

/// How many bytes of a record fit into one message with this key, where a message may have `limit` bytes.
pub(super) fn part_size(limit: usize, key: usize) -> usize {
    limit.saturating_sub(key + ROOM).max(LEAST)
}

/// `umbra-part` as it is written.
pub(super) fn header(number: usize, of: usize) -> String {
    format!("{number}/{of}")
}

/// Which part a message is; `None` where it is a whole record, or says something that no recorder writes.
pub(super) fn part_of(message: &BorrowedMessage<'_>) -> Option<Part> {
    let headers = message.headers()?;
    let value = |name: &str| headers.iter().find(|h| h.key == name).and_then(|h| h.value);
    let (number, of) = parse(value(PART)?)?;
    Some(Part { id: value(ID)?.into(), number, of })
}

fn parse(header: &[u8]) -> Option<(u32, u32)> {
    let (number, of) = std::str::from_utf8(header).ok()?.split_once('/')?;
    let (number, of) = (number.parse().ok()?, of.parse().ok()?);
    ((2..=MOST).contains(&of) && (1..=of).contains(&number)).then_some((number, of))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_as_it_is_written() {
        assert_eq!(parse(header(3, 70).as_bytes()), Some((3, 70)));
        for wrong in ["", "1", "0/2", "3/2", "1/1", "-1/2", "1/99999999999", "1/4000000000", "a/b", "1/2/3"] {
            assert_eq!(parse(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn a_part_leaves_room_for_its_key_and_headers() {
        assert_eq!(part_size(1_000_000, 16), 1_000_000 - 16 - ROOM);
        assert_eq!(part_size(1000, 5000), LEAST);
    }
}
