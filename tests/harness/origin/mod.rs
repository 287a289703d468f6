//! An HTTP/1.1 origin that remembers each request to the byte and answers by script.

mod answer;

pub use answer::Answer;

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::wait::eventually;
use crate::wire::{Head, RawBody, Wire};

/// A request as it came over the wire.
#[derive(Clone, Debug)]
pub struct Received {
    /// Which connection it came on, counted from 0.
    pub connection: usize,
    /// Its head.
    pub head: Head,
    /// Its body: what came of it, where the client or the script ended early.
    pub body: RawBody,
}

impl Received {
    /// The head and the body as they came, one behind the other.
    pub fn raw(&self) -> Vec<u8> {
        [&self.head.raw[..], &self.body.raw[..]].concat()
    }
}

type Script = dyn Fn(&Head) -> Answer + Send + Sync;

struct Shared {
    script: Box<Script>,
    /// In the order in which their heads came; a body is put in when it has ended.
    requests: Mutex<Vec<(Received, bool)>>,
    connections: Mutex<Vec<TcpStream>>,
    /// How many of them it has closed as its script says.
    closed: AtomicUsize,
    stopped: AtomicBool,
}

impl Shared {
    fn requests(&self) -> std::sync::MutexGuard<'_, Vec<(Received, bool)>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The origin. Stops, with all of its connections, when it is dropped.
pub struct Origin {
    addr: SocketAddr,
    shared: Arc<Shared>,
}

impl Origin {
    /// An origin that answers every request with 200 and `ok`.
    pub fn start() -> Self {
        Self::with(|_| Answer::ok("ok"))
    }

    /// An origin that answers as `script` says for a request's head.
    pub fn with(script: impl Fn(&Head) -> Answer + Send + Sync + 'static) -> Self {
        Self::at("127.0.0.1:0".parse().unwrap(), script)
    }

    /// The same, at an address of the test's choice.
    pub fn at(addr: SocketAddr, script: impl Fn(&Head) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(addr).unwrap_or_else(|e| panic!("listening on {addr}: {e}"));
        let addr = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            script: Box::new(script),
            requests: Mutex::default(),
            connections: Mutex::default(),
            closed: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || accept(&listener, &accepting));
        Self { addr, shared }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where it listens, as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The requests that have ended, in the order in which their heads came.
    pub fn requests(&self) -> Vec<Received> {
        self.shared.requests().iter().filter(|(_, ended)| *ended).map(|(r, _)| r.clone()).collect()
    }

    /// How many connections it has taken.
    pub fn connections(&self) -> usize {
        self.shared.connections.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// How many connections it has closed as its script says.
    pub fn closed(&self) -> usize {
        self.shared.closed.load(Ordering::SeqCst)
    }

    /// How many heads have come.
    pub fn begun(&self) -> usize {
        self.shared.requests().len()
    }

    /// How many requests have come whole, whether they have been answered or not.
    pub fn bodies_read(&self) -> usize {
        self.shared.requests().iter().filter(|(r, _)| r.body.complete).count()
    }

    /// Waits until `count` requests have ended, and gives them.
    #[track_caller]
    pub fn wait_for(&self, count: usize) -> Vec<Received> {
        eventually(&format!("{count} requests at the origin"), || self.requests().len() >= count);
        self.requests()
    }

    /// The only request that came.
    #[track_caller]
    pub fn only(&self) -> Received {
        let mut requests = self.wait_for(1);
        assert_eq!(requests.len(), 1, "one request was to come, not {requests:?}");
        requests.remove(0)
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // Wakes `accept`, which then sees that it is to stop.
        drop(TcpStream::connect(self.addr));
        for connection in self.shared.connections.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // An error means that it is closed already.
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for (connection, stream) in listener.incoming().flatten().enumerate() {
        let mut connections = shared.connections.lock().unwrap_or_else(PoisonError::into_inner);
        if shared.stopped.load(Ordering::SeqCst) {
            return;
        }
        stream.set_nodelay(true).unwrap();
        connections.push(stream.try_clone().unwrap());
        drop(connections);
        let shared = Arc::clone(shared);
        std::thread::spawn(move || {
            // A connection that breaks is the test's own doing; what came on it is remembered.
            let _ = serve(connection, stream, &shared);
        });
    }
}

fn serve(connection: usize, stream: TcpStream, shared: &Shared) -> io::Result<()> {
    let mut wire = Wire::new(stream);
    while let Some(head) = wire.head()? {
        let at = {
            let mut requests = shared.requests();
            requests.push((Received { connection, head: head.clone(), body: RawBody::default() }, false));
            requests.len() - 1
        };
        let mut body = RawBody::default();
        let answered = (shared.script)(&head).play(&head, &mut wire, &mut body, |body| {
            shared.requests()[at].0.body = body.clone();
        });
        let mut requests = shared.requests();
        requests[at].0.body = body;
        requests[at].1 = true;
        drop(requests);
        if !answered? {
            let closed = wire.stream.shutdown(Shutdown::Both);
            shared.closed.fetch_add(1, Ordering::SeqCst);
            return closed;
        }
    }
    Ok(())
}
