//! The limit on open files, met before it does harm.

use std::io;
use std::os::unix::net::UnixStream;

/// A runtime's driver has three files, and three more for signals.
const PAIRS: usize = 3;

/// Fails where there are too few for a runtime that hears signals: tokio takes it for granted that it gets them, and panics.
pub fn enough_for_a_runtime() -> io::Result<()> {
    let free: io::Result<Vec<_>> = (0..PAIRS).map(|_| UnixStream::pair()).collect();
    free.map(drop).map_err(|error| {
        io::Error::new(error.kind(), format!("cannot begin: {error}; raise the limit on open files (ulimit -n)"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_enough_as_a_rule_and_they_are_given_back() {
        for _ in 0..2_000 {
            enough_for_a_runtime().unwrap();
        }
    }
}
