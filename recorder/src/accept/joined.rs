//! A small head and a small body, joined into one piece: the kernel takes a fifth of a microsecond less for one than for two.

use std::io::IoSlice;

/// More is not joined: at some length copying costs as much.
pub(super) const LITTLE: usize = 2 << 10;

/// Whether there are several parts, and little in all of them.
pub(super) fn are_little(parts: &[IoSlice<'_>]) -> bool {
    parts.len() > 1 && length(parts) <= LITTLE
}

/// The parts behind each other. Only of parts that [are little](are_little).
pub(super) fn joined<'a>(parts: &[IoSlice<'_>], room: &'a mut [u8; LITTLE]) -> &'a [u8] {
    let mut at = 0;
    for part in parts {
        room[at..at + part.len()].copy_from_slice(part);
        at += part.len();
    }
    &room[..at]
}

fn length(parts: &[IoSlice<'_>]) -> usize {
    parts.iter().map(|part| part.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_bytes_in_parts_become_one_part() {
        let (head, body) = ([1; 10], [2; LITTLE]);
        let parts = |second| [IoSlice::new(&head), IoSlice::new(&body[..second])];
        for (second, expected) in [(0, true), (48, true), (LITTLE - 10, true), (LITTLE - 9, false)] {
            let parts = parts(second);
            assert_eq!(are_little(&parts), expected);
            if expected {
                assert_eq!(joined(&parts, &mut [0; LITTLE]), [&head[..], &body[..second]].concat());
            }
        }
        assert!(!are_little(&parts(48)[..1]) && !are_little(&[]));
    }
}
