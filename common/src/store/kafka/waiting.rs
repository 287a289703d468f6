//! Waiting for librdkafka on a plain thread, with a deadline.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

/// Between two looks at it.
const LOOK: Duration = Duration::from_millis(20);

/// What a future gives; `None` where it takes longer.
pub(super) fn block_on<F: Future>(future: F, longest: Duration) -> Option<F::Output> {
    let mut future = pin!(future);
    let until = Instant::now() + longest;
    loop {
        match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => return Some(output),
            Poll::Pending if Instant::now() >= until => return None,
            Poll::Pending => thread::sleep(LOOK),
        }
    }
}

/// What is left of a consumer's wait, in whole milliseconds. librdkafka knows no others: of the rest its binding would make
/// one poll after the other, for up to a millisecond of each wait.
pub(super) fn left(until: Instant) -> Duration {
    whole_millis(until.saturating_duration_since(Instant::now()))
}

/// Rounded up: rounded down, a wait for a millisecond would be none.
fn whole_millis(wait: Duration) -> Duration {
    let millis = wait.as_nanos().div_ceil(1_000_000);
    Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_has_whole_milliseconds_and_none_is_lost() {
        for (nanos, millis) in [(0, 0), (1, 1), (999_999, 1), (1_000_000, 1), (99_000_001, 100)] {
            assert_eq!(whole_millis(Duration::from_nanos(nanos)), Duration::from_millis(millis));
        }
        assert_eq!(left(Instant::now()), Duration::ZERO);
    }
}
