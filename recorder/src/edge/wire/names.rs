//! The letters of fields' names: the library writes them all small, and a name's letters are put back on its way out.

use std::ops::Range;

use memchr::memchr;

/// More fields need room of their own.
const FEW: usize = 32;

/// Sets the names of the library's head, which `written` begins with, in the letters in which they came: all that differs as
/// a rule. Names stay small where one of the two is no whole head.
pub(crate) fn set_names(written: &mut [u8], came: &[u8]) {
    set_in_order(written, came);
}

/// As long as the library's fields are in the order in which they came; then in any order.
fn set_in_order(written: &mut [u8], came: &[u8]) -> Option<()> {
    let (mut own, mut lines) = (Names::of(written)?, Names::of(came)?);
    loop {
        let (line, rest) = (came.get(lines.at..)?, written.get_mut(own.at..)?);
        if line_end(line).is_some() || line_end(rest).is_some() {
            return Some(());
        }
        let Some(name) = set_name(rest, line) else { return set_in_any_order(written, own, came, lines) };
        let length = name + memchr(b'\n', &line[name..])? + 1;
        // Lines are the same as a rule.
        let is_same = rest.get(name..length) == Some(&line[name..length]);
        own.at += if is_same { length } else { name + memchr(b'\n', &rest[name..])? + 1 };
        lines.at += length;
    }
}

/// Sets the name that a line of the library's begins with as it came, if it is the same; says how long it is.
fn set_name(own: &mut [u8], came: &[u8]) -> Option<usize> {
    for (at, (small, byte)) in own.iter_mut().zip(came).enumerate() {
        if small == byte {
            if *byte == b':' {
                return Some(at);
            }
        } else if *small == byte.to_ascii_lowercase() {
            *small = *byte;
        } else {
            own[..at].make_ascii_lowercase();
            return None;
        }
    }
    None
}

fn set_in_any_order(written: &mut [u8], mut own: Names, came: &[u8], mut lines: Names) -> Option<()> {
    let (mut few, mut more, mut count) = ([&came[..0]; FEW], Vec::new(), 0);
    while let Some(name) = lines.next(came)? {
        match few.get_mut(count) {
            Some(place) => *place = &came[name],
            None => {
                if count == FEW {
                    more.extend_from_slice(&few);
                }
                more.push(&came[name]);
            }
        }
        count += 1;
    }
    let names = if count > FEW { &more[..] } else { &few[..count] };
    let mut expected = 0;
    while let Some(small) = own.next(written)? {
        let small = &mut written[small];
        // They mostly come in the same order.
        let (before, behind) = names.split_at(expected);
        let Some(at) = behind.iter().chain(before).position(|name| is_in_small_letters(name, small)) else { continue };
        let at = (expected + at) % count;
        small.copy_from_slice(names[at]);
        expected = (at + 1) % count;
    }
    Some(())
}

/// Whether a name of the library's, which are all in small letters, is this one.
fn is_in_small_letters(name: &[u8], small: &[u8]) -> bool {
    name.len() == small.len() && name.iter().zip(small).all(|(byte, small)| byte.to_ascii_lowercase() == *small)
}

/// Goes through the names of a sound head's fields; then `at` is behind the head.
#[derive(Clone, Copy)]
struct Names {
    at: usize,
}

impl Names {
    fn of(head: &[u8]) -> Option<Self> {
        Some(Self { at: memchr(b'\n', head)? + 1 })
    }

    /// Where the next name is; none of either where the head is not whole.
    fn next(&mut self, head: &[u8]) -> Option<Option<Range<usize>>> {
        let (start, line) = (self.at, head.get(self.at..)?);
        if let Some(end) = line_end(line) {
            self.at += end;
            return Some(None);
        }
        let name = line.iter().position(|byte| *byte == b':')?;
        self.at += name + memchr(b'\n', &line[name..])? + 1;
        Some(Some(start..start + name))
    }
}

/// How long the end of a line is, where there is nothing else of it. A server may end lines with the line feed alone (RFC
/// 9112, 2.2).
fn line_end(line: &[u8]) -> Option<usize> {
    match line {
        [b'\r', b'\n', ..] => Some(2),
        [b'\n', ..] => Some(1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_their_letters_wherever_their_fields_stand() {
        let came = b"GET / HTTP/1.1\r\nHOST: h\r\nConnection: x\r\nX-a: 1\r\nB-:\r\nACCEPT: *:*\r\n\r\n";
        let written = b"GET / HTTP/1.1\r\nhost: h\r\naccept: *:*\r\nx-a: 1\r\nb-: \r\nvia: 1.1 umbra\r\nx-b: 2\r\n\r\n";
        let expected =
            b"GET / HTTP/1.1\r\nHOST: h\r\nACCEPT: *:*\r\nX-a: 1\r\nB-: \r\nvia: 1.1 umbra\r\nx-b: 2\r\n\r\n";
        let mut with_more = [&written[..], b"a: body\r\n\r\n"].concat();
        set_names(&mut with_more, came);
        let expected = [&expected[..], b"a: body\r\n\r\n"].concat();
        assert_eq!(with_more.escape_ascii().to_string(), expected.escape_ascii().to_string());
        // None in, none out.
        let mut none = b"GET / HTTP/1.1\r\nvia: 1\r\n\r\n".to_vec();
        set_names(&mut none, b"GET / HTTP/1.0\r\n\r\n");
        assert_eq!(none, b"GET / HTTP/1.1\r\nvia: 1\r\n\r\n");
    }

    #[test]
    fn fields_of_one_name_have_each_its_own_letters() {
        let came = b"HTTP/1.1 200 OK\r\nA: 1\r\nB: 2\r\na: 3\r\n\r\n";
        let mut written = *b"HTTP/1.1 200 OK\r\na: 1\r\na: 3\r\nb: 2\r\n\r\n";
        set_names(&mut written, came);
        assert_eq!(written.escape_ascii().to_string(), r"HTTP/1.1 200 OK\r\nA: 1\r\na: 3\r\nB: 2\r\n\r\n");
    }

    #[test]
    fn many_names_keep_their_letters_too() {
        for count in [FEW - 1, FEW, FEW + 1, 3 * FEW] {
            let fields: String = (0..count).map(|n| format!("X-{n}: A\n")).collect();
            let came = format!("HTTP/1.1 200 OK\n{fields}\n");
            let mut written = came.to_ascii_lowercase().replace(": a", ": A").into_bytes();
            set_names(&mut written, came.as_bytes());
            assert_eq!(String::from_utf8(written).unwrap()[15..], came[15..]);
        }
    }

    #[test]
    fn nothing_but_names_changes_wherever_a_head_is_cut() {
        let came = b"HTTP/1.1 200 OK\r\nA:1\r\nB: x\r\nConnection: close\r\nC:  2\r\nD: 1\r\n\r\nB: x\r\n";
        let written = b"HTTP/1.1 200 OK\r\na: 1\r\nb: x\r\nd: 1\r\nc: 2\r\ndate: d\r\n\r\nb: x\r\n";
        let all = b"HTTP/1.1 200 OK\r\nA: 1\r\nB: x\r\nD: 1\r\nC: 2\r\ndate: d\r\n\r\nb: x\r\n";
        for own_cut in 0..=written.len() {
            for came_cut in 0..=came.len() {
                let mut set = written[..own_cut].to_vec();
                set_names(&mut set, &came[..came_cut]);
                assert_eq!(set.to_ascii_lowercase(), written[..own_cut].to_ascii_lowercase());
                let body = own_cut.saturating_sub(all.len() - 6);
                assert_eq!(set[own_cut - body..], written[own_cut - body..own_cut]);
            }
        }
        let mut set = written.to_vec();
        set_names(&mut set, came);
        assert_eq!(set.escape_ascii().to_string(), all.escape_ascii().to_string());
    }
}
