//! Recorded bytes on a terminal: whatever a client sent, nothing in it moves the cursor or changes a colour.

use std::fmt::Write;

/// On one line: control characters, line ends and what is no UTF-8 as escapes.
pub(crate) fn line(bytes: &[u8]) -> String {
    escaped(bytes, |_| false)
}

/// Over several lines: line ends and tabs stay.
pub(crate) fn text(bytes: &[u8]) -> String {
    escaped(bytes, |c| matches!(c, '\n' | '\t'))
}

fn escaped(bytes: &[u8], keeps: fn(char) -> bool) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                c if keeps(c) => out.push(c),
                // So that an escape in the output is one that was made here.
                '\\' => out.push_str("\\\\"),
                c if c.is_ascii_control() => push_byte(&mut out, c as u8),
                c if is_invisible(c) => out.extend(c.escape_unicode()),
                c => out.push(c),
            }
        }
        chunk.invalid().iter().for_each(|b| push_byte(&mut out, *b));
    }
    out
}

fn push_byte(out: &mut String, byte: u8) {
    match byte {
        b'\r' => out.push_str("\\r"),
        b'\n' => out.push_str("\\n"),
        b'\t' => out.push_str("\\t"),
        // Writing to a string does not fail.
        _ => drop(write!(out, "\\x{byte:02x}")),
    }
}

/// Control characters of the upper half, and those that re-order what stands around them (Unicode TR 36, 3.4).
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Whether bytes are text that a person can read.
pub(crate) fn is_text(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes)
        .is_ok_and(|text| !text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')))
}

/// Sixteen bytes a line, with where they stand and what of them can be read.
pub(crate) fn hex_dump(bytes: &[u8]) -> String {
    const WIDTH: usize = 16;
    let mut out = String::new();
    for (row, chunk) in bytes.chunks(WIDTH).enumerate() {
        let hex: Vec<_> = chunk.iter().map(|b| format!("{b:02x}")).collect();
        let seen: String = chunk.iter().map(|b| if b.is_ascii_graphic() { *b as char } else { '.' }).collect();
        let _ = writeln!(out, "{:08x}  {:<47}  {seen}", row * WIDTH, hex.join(" "));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn control_bytes_do_not_reach_the_terminal() {
        assert_eq!(line(b"a\x1b[31mb\r\n\tc\\"), "a\\x1b[31mb\\r\\n\\tc\\\\");
        assert_eq!(line("é\u{202e}x\u{9b}".as_bytes()), "é\\u{202e}x\\u{9b}");
        assert_eq!(line(b"\xff\xc3"), "\\xff\\xc3");
        assert_eq!(text(b"a\n\tb\r"), "a\n\tb\\r");
        assert!(is_text("é\r\n".as_bytes()) && !is_text(b"\0") && !is_text(b"\xff"));
        assert!(hex_dump(b"\0hello").starts_with("00000000  00 68 65 6c 6c 6f "));
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_control_character(bytes: Vec<u8>) {
            prop_assert!(!line(&bytes).chars().any(char::is_control));
        }
    }
}
