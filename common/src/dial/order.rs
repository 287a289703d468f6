//! In which order the addresses behind a name are tried.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// An address that failed is tried after all others for this long: as long as a restart takes, and short enough that a
/// server that is back is soon used.
const AVOIDED: Duration = Duration::from_secs(10);

/// Begins with the next one each time; those that failed lately come last.
#[derive(Debug)]
pub(super) struct Order {
    turn: AtomicUsize,
    failed: Mutex<Vec<(SocketAddr, Instant)>>,
}

impl Order {
    pub(super) fn new() -> Self {
        // Many programs that start together do not all begin with the same address.
        Self { turn: AtomicUsize::new(fastrand::usize(..)), failed: Mutex::default() }
    }

    /// The addresses as they are to be tried now.
    pub(super) fn arrange(&self, addresses: &[SocketAddr], now: Instant) -> Vec<SocketAddr> {
        let mut all = addresses.to_vec();
        if all.len() > 1 {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed) % all.len();
            all.rotate_left(turn);
            let mut failed = self.failed();
            failed.retain(|(_, at)| now.saturating_duration_since(*at) < AVOIDED);
            // Stable: otherwise the turn stays.
            all.sort_by_key(|address| failed.iter().any(|(f, _)| f == address));
        }
        all
    }

    /// It took no connection.
    pub(super) fn failed_at(&self, address: SocketAddr, now: Instant) {
        let mut failed = self.failed();
        failed.retain(|(f, at)| *f != address && now.saturating_duration_since(*at) < AVOIDED);
        failed.push((address, now));
    }

    /// It took one.
    pub(super) fn worked(&self, address: SocketAddr) {
        self.failed().retain(|(f, _)| *f != address);
    }

    fn failed(&self) -> MutexGuard<'_, Vec<(SocketAddr, Instant)>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_turn_and_one_that_failed_comes_last_for_a_while() {
        let all: Vec<SocketAddr> = (1..=3).map(|port| SocketAddr::from(([127, 0, 0, 1], port))).collect();
        let (order, start) = (Order::new(), Instant::now());
        let firsts = |now: Instant| -> Vec<u16> { (0..3).map(|_| order.arrange(&all, now)[0].port()).collect() };
        let mut turns = firsts(start);
        turns.sort_unstable();
        assert_eq!(turns, [1, 2, 3]);
        order.failed_at(all[1], start);
        let later = start + AVOIDED - Duration::from_millis(1);
        assert!(!firsts(later).contains(&2));
        assert!((0..3).all(|_| order.arrange(&all, later)[2] == all[1]));
        assert!(firsts(start + AVOIDED).contains(&2));
        order.failed_at(all[1], start);
        order.worked(all[1]);
        assert!(firsts(later).contains(&2));
    }
}
