//! A gRPC body as the messages that it frames (gRPC over HTTP/2: a flag, four bytes of length, the message).

use std::io::{self, Write};

use super::escape;

/// Before each message.
const PREFIX: usize = 5;

/// Prints each message with its length; what frames none is printed as it is.
pub(super) fn messages(body: &[u8], out: &mut dyn Write) -> io::Result<()> {
    let mut rest = body;
    let mut number = 1_u64;
    while let Some((message, compressed, after)) = next(rest) {
        let how = if compressed { ", compressed" } else { "" };
        writeln!(out, "# message {number}: {} bytes{how}", message.len())?;
        write!(out, "{}", escape::hex_dump(message))?;
        (rest, number) = (after, number + 1);
    }
    if !rest.is_empty() {
        writeln!(out, "# {} bytes that are no whole message", rest.len())?;
        write!(out, "{}", escape::hex_dump(rest))?;
    }
    Ok(())
}

/// The first message, whether it is compressed, and what follows it.
fn next(body: &[u8]) -> Option<(&[u8], bool, &[u8])> {
    let (prefix, rest) = body.split_at_checked(PREFIX)?;
    let length = u32::from_be_bytes(prefix[1..].try_into().ok()?);
    let (message, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    (prefix[0] <= 1).then_some((message, prefix[0] == 1, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(body: &[u8]) -> String {
        let mut out = Vec::new();
        messages(body, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn messages_are_told_apart() {
        let text = printed(b"\0\0\0\0\x02hi\x01\0\0\0\0\0\0\0");
        assert!(text.starts_with("# message 1: 2 bytes\n00000000  68 69 "), "{text}");
        assert!(text.contains("# message 2: 0 bytes, compressed\n"), "{text}");
        assert!(text.contains("# 3 bytes that are no whole message\n00000000  00 00 00 "), "{text}");
        assert!(printed(b"\x07\0\0\0\0").starts_with("# 5 bytes that are no whole message"));
        assert_eq!(printed(b""), "");
    }
}
