//! Waiting for one of librdkafka's futures on a plain thread, with a deadline.

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
