//! Whether a process's memory stays flat while it works.

use std::fmt;
use std::time::{Duration, Instant};

use crate::usage;

/// What a process held, looked at now and then.
#[derive(Debug, Default)]
pub struct Memory {
    looked: Option<Instant>,
    resident: Vec<u64>,
}

const EVERY: Duration = Duration::from_millis(250);
const MIB: f64 = (1 << 20) as f64;

impl Memory {
    /// Looks, where the last look is long enough ago.
    pub fn look(&mut self, pid: u32) {
        if self.looked.is_none_or(|at| at.elapsed() >= EVERY) {
            self.looked = Some(Instant::now());
            self.resident.push(usage::resident(pid));
        }
    }

    /// The most in the n-th tenth of the time.
    fn tenth(&self, n: usize) -> u64 {
        let (from, to) = (self.resident.len() * n / 10, self.resident.len() * (n + 1) / 10);
        self.resident[from..to].iter().copied().max().unwrap_or_default()
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths: Vec<String> = (0..10).map(|n| format!("{:.0}", self.tenth(n) as f64 / MIB)).collect();
        write!(f, "at most {} MiB in each tenth of the time", tenths.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tenth_shows_its_most() {
        let memory = Memory { looked: None, resident: (1..=20).map(|n| n << 20).collect() };
        assert_eq!(memory.to_string(), "at most 2, 4, 6, 8, 10, 12, 14, 16, 18, 20 MiB in each tenth of the time");
        assert_eq!(Memory::default().tenth(3), 0);
    }
}
