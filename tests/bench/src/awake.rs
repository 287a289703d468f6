//! Processors that stay awake while latency is measured.
//!
//! One that has nothing to do for a moment goes to sleep. On a virtual machine that gives it back to the host, which has others to run on it
//! and may take milliseconds to give it again: at half load there is nothing to do thousands of times a second, whatever is
//! measured. Linux keeps them from it while somebody asks for that.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Where to ask (<https://docs.kernel.org/power/pm_qos_interface.html>): for as long as it is open, a processor is to be there again within the
/// microseconds that were written.
const DEVICE: &str = "/dev/cpu_dma_latency";

/// Processors that poll for work instead of sleeping, until this is dropped.
#[derive(Debug)]
pub struct Awake(Option<File>);

impl Awake {
    /// Asks for it, which is for root, or who else may write the device.
    pub fn ask() -> Self {
        Self::ask_at(Path::new(DEVICE))
    }

    fn ask_at(device: &Path) -> Self {
        let ask = || -> io::Result<File> {
            let mut device = File::options().write(true).open(device)?;
            device.write_all(&0i32.to_ne_bytes())?;
            Ok(device)
        };
        Self(ask().ok())
    }

    /// Whether it could be asked for.
    pub fn is_asked(&self) -> bool {
        self.0.is_some()
    }
}

/// What it means for the figures that it could be asked for, or could not.
pub fn describe(is_asked: bool) -> &'static str {
    if is_asked {
        "The processors were kept from sleeping (/dev/cpu_dma_latency)."
    } else {
        "The processors slept whenever there was nothing to do, since nobody here may keep them from it (/dev/cpu_dma_latency): a virtual \
         machine's may be away for milliseconds then."
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_microsecond_is_asked_for_where_that_may_be_done() {
        let folder = tempfile::tempdir().unwrap();
        let device = folder.path().join("device");
        assert!(!Awake::ask_at(&device).is_asked());
        File::create(&device).unwrap();
        assert!(Awake::ask_at(&device).is_asked());
        assert_eq!(std::fs::read(&device).unwrap(), [0; 4]);
    }
}
