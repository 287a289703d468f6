//! Where processors are short, what has to be on time goes first: the live path, and the sending of what is due.

use std::thread;

use rustix::process::setpriority_process;

/// A third of the others' weight: the store's threads get what is left of a processor, and that much in any case.
const NICE: i32 = 5;

/// Lets the others go before this thread, and before those that it will start.
pub fn give_way() {
    // Of Linux's threads each has a niceness of its own, and this is the caller's.
    if let Err(error) = setpriority_process(None, NICE) {
        tracing::debug!(%error, "the store's threads do not give way to others");
    }
}

/// Does what may start threads of a library's own, such that they give way too.
pub fn courteously<T: Send>(work: impl FnOnce() -> T + Send) -> thread::Result<T> {
    thread::scope(|scope| {
        let working = scope.spawn(|| {
            give_way();
            work()
        });
        working.join()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::getpriority_process;

    #[test]
    fn threads_of_the_store_are_nice_and_others_stay_as_they_are() {
        let before = getpriority_process(None).unwrap();
        let inherited = courteously(|| thread::spawn(|| getpriority_process(None).unwrap()).join().unwrap());
        assert_eq!(inherited.unwrap(), NICE.max(before));
        assert_eq!(getpriority_process(None).unwrap(), before);
    }
}
