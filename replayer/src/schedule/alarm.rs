//! A wake-up to the microsecond, for a task.

use std::io;
use std::time::Instant;

/// One timer of the kernel's, which wakes the runtime as a socket does. The runtime's own timer ticks at 1 ms, and another
/// thread that sleeps precisely would cost a second wake-up for each request.
#[cfg(target_os = "linux")]
#[derive(Debug)]
pub struct Alarm(tokio::io::unix::AsyncFd<std::os::fd::OwnedFd>);

#[cfg(target_os = "linux")]
impl Alarm {
    /// Belongs to the current runtime.
    #[expect(deprecated, reason = "unsound only where a descriptor can change or close meanwhile; an OwnedFd's cannot")]
    pub fn new() -> io::Result<Self> {
        use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
        tokio::io::unix::AsyncFd::with_interest(timer, tokio::io::Interest::READABLE).map(Self)
    }

    /// Sleeps until a moment; for one task at a time.
    pub async fn until(&self, moment: Instant) {
        use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};
        const NEVER: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
        loop {
            let left = moment.saturating_duration_since(Instant::now());
            let Ok(it_value) = Timespec::try_from(left) else { return };
            if left.is_zero() {
                return;
            }
            let set = Itimerspec { it_interval: NEVER, it_value };
            let rung = match timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &set) {
                Ok(_) => self.0.readable().await.map(|mut rung| rung.clear_ready()),
                Err(error) => Err(error.into()),
            };
            if rung.is_err() {
                // Cannot be, with a timer that was made; a coarse sleep is better than none.
                tokio::time::sleep(left).await;
            }
        }
    }
}

/// Elsewhere the runtime's timer has to do.
#[cfg(not(target_os = "linux"))]
#[derive(Debug)]
pub struct Alarm;

#[cfg(not(target_os = "linux"))]
impl Alarm {
    /// Belongs to the current runtime.
    pub fn new() -> io::Result<Self> {
        Ok(Self)
    }

    /// Sleeps until a moment.
    pub async fn until(&self, moment: Instant) {
        tokio::time::sleep_until(moment.into()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn it_rings_at_the_moment_and_never_before() {
        let alarm = Alarm::new().unwrap();
        for micros in [0u64, 50, 300, 2_000, 20_000, 100] {
            let moment = Instant::now() + Duration::from_micros(micros);
            alarm.until(moment).await;
            assert!(Instant::now() >= moment);
        }
        alarm.until(Instant::now() - Duration::from_secs(1)).await;
    }

    #[tokio::test]
    async fn one_that_was_given_up_does_not_ring_for_the_next() {
        let alarm = Alarm::new().unwrap();
        let soon = Instant::now() + Duration::from_millis(5);
        assert!(tokio::time::timeout(Duration::from_millis(1), alarm.until(soon)).await.is_err());
        let late = soon + Duration::from_millis(20);
        alarm.until(late).await;
        assert!(Instant::now() >= late);
    }
}
