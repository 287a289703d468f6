//! A client that makes a new connection for every request: the hard case for a server that hands its port over.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use crate::wire;

const REQUEST: &str = "GET /hammer HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

/// Some threads that connect, ask, read the whole answer and connect again, until they are stopped.
#[derive(Debug)]
pub struct Hammer {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    stopped: AtomicBool,
    answered: AtomicUsize,
}

impl Hammer {
    /// Begins with so many threads.
    pub fn start(to: SocketAddr, threads: usize) -> Self {
        let shared = Arc::<Shared>::default();
        let threads = (0..threads).map(|_| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || {
                while !shared.stopped.load(Ordering::SeqCst) {
                    // Whatever goes wrong panics here, and in `stop`.
                    let response = wire::exchange(to, REQUEST);
                    assert_eq!(response.status(), 200, "{response:?}");
                    assert!(response.body.complete);
                    shared.answered.fetch_add(1, Ordering::SeqCst);
                }
            })
        });
        let threads = threads.collect();
        Self { shared, threads }
    }

    /// How many requests have been answered.
    pub fn answered(&self) -> usize {
        self.shared.answered.load(Ordering::SeqCst)
    }

    /// Stops, and says how many requests were answered. Fails where one was not.
    pub fn stop(self) -> usize {
        self.shared.stopped.store(true, Ordering::SeqCst);
        for thread in self.threads {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
        self.shared.answered.load(Ordering::SeqCst)
    }
}
