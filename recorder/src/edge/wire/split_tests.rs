//! The guard's verdict is one on the bytes, not on how the network cut them.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

/// Small, so that mutated streams meet them.
const LIMITS: HeadLimits = HeadLimits { head: 160, target: 40, fields: 6 };

/// What clients send, one connection each.
const STREAMS: [&[u8]; 10] = [
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n",
    b"\r\nGET http://a:80/x?y HTTP/1.1\r\nhost: A:80\r\n\r\n\r\nOPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nGET /POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=\"y\"\r\n0123456789\r\n0\r\nX: 1\r\n\r\nGET / HTTP/1.0\r\n\r\n",
    b"PUT /\xc3\xa9?<q> HTTP/1.1\r\nHost: [::1]:8080\r\nX-Odd: \xff\t!\r\nX-Empty:\r\nTransfer-Encoding: Chunked\r\n\r\n00\r\n\r\n",
    b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x05hello",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: 0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789\r\n\r\n",
    b"GET /01234567890123456789012345678901234567890123456789 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\na: 1\r\nb: 2\r\nc: 3\r\nd: 4\r\ne: 5\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\na: 0123456789012345678901234567890123456789\r\nb: 2\r\nc: 3\r\nd: 4\r\n\r\n",
];

/// Bytes that parsers are known to disagree about, more often than others.
fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![prop::sample::select(&b"\r\n\0 \t:;,+x0aF#*/\x0b\x7f\xff"[..]), any::<u8>()]
}

#[derive(Clone, Debug)]
enum Change {
    Replace(Index, u8),
    Insert(Index, u8),
    Remove(Index),
    Repeat(Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (any::<Index>(), byte()).prop_map(|(at, byte)| Change::Replace(at, byte)),
        (any::<Index>(), byte()).prop_map(|(at, byte)| Change::Insert(at, byte)),
        any::<Index>().prop_map(Change::Remove),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Change::Repeat(from, to)),
    ]
}

fn changed(stream: &[u8], changes: &[Change]) -> Vec<u8> {
    let mut bytes = stream.to_vec();
    for change in changes {
        match change {
            _ if bytes.is_empty() => {}
            Change::Replace(at, byte) => *at.get_mut(&mut bytes) = *byte,
            Change::Insert(at, byte) => bytes.insert(at.index(bytes.len()), *byte),
            Change::Remove(at) => drop(bytes.remove(at.index(bytes.len()))),
            Change::Repeat(from, to) => {
                let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
                let part = bytes[from.min(to)..from.max(to)].to_vec();
                bytes.splice(from.min(to)..from.min(to), part);
            }
        }
    }
    bytes
}

/// What came of the bytes, in these stretches: the verdict, where it fell, the heads, and what the library was shown of sound
/// streams.
fn outcome<'a>(stretches: impl Iterator<Item = &'a [u8]>) -> (Result<(), Refusal>, bool, Vec<Head>, Option<Vec<u8>>) {
    let mut guard = Guard::new(LIMITS);
    let (mut verdict, mut shown) = (Ok(()), Vec::new());
    for stretch in stretches {
        let mut stretch = stretch.to_vec();
        let (sound, said) = guard.feed(&mut stretch);
        shown.extend_from_slice(&stretch[..sound]);
        verdict = said;
        // Nothing passes behind a refusal, nor while it is not decided whose the rest is.
        if verdict.is_err() || sound < stretch.len() {
            break;
        }
    }
    let at_head = guard.was_at_head();
    (verdict, at_head, guard.heads.into(), verdict.is_ok().then_some(shown))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn cuts_change_nothing(
        stream in prop::sample::select(&STREAMS[..]),
        changes in prop::collection::vec(change(), 0..4),
        cuts in prop::collection::vec(1usize..60, 0..40),
    ) {
        let bytes = changed(stream, &changes);
        let mut rest = &bytes[..];
        let mut stretches = Vec::new();
        for cut in cuts {
            let (stretch, behind) = rest.split_at(cut.min(rest.len()));
            stretches.push(stretch);
            rest = behind;
        }
        stretches.push(rest);
        let whole = outcome(std::iter::once(&bytes[..]));
        prop_assert_eq!(outcome(stretches.into_iter()), whole.clone());
        prop_assert_eq!(outcome(bytes.chunks(1)), whole);
    }
}
