//! Wake-ups as near to their time as the kernel can.

use std::io::{self, ErrorKind};
use std::path::Path;

/// The kernel may wake a thread later than asked by as much as this, so as to wake several at once; its own choice is 50 µs.
const TIMER_SLACK_NANOS: &str = "1000";

/// From now on the calling thread is woken when it asked to be.
pub fn wake_punctually() -> io::Result<()> {
    let this = std::fs::read_link("/proc/thread-self")?;
    let id = this.file_name().ok_or(ErrorKind::NotFound)?;
    std::fs::write(Path::new("/proc").join(id).join("timerslack_ns"), TIMER_SLACK_NANOS)
}
