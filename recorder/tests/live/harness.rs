//! An origin and a client that do exactly what a test says, and a recorder between them.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use umbra_common::exchange::Exchange;
use umbra_common::ledger::Snapshot;
use umbra_common::store::{Next, Store, StoreConfig};
use umbra_common::time::{Timestamp, Window};
use umbra_recorder::{Flags, Recorder};

/// Nothing in these tests takes longer unless it hangs.
const DEADLINE: Duration = Duration::from_secs(10);

/// One side of a connection.
pub(crate) struct Wire {
    stream: TcpStream,
    ahead: Vec<u8>,
}

impl Wire {
    pub(crate) fn connect(addr: SocketAddr) -> Self {
        Self::new(TcpStream::connect(addr).unwrap())
    }

    fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        Self { stream, ahead: Vec::new() }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        // A peer that has closed shows in what is read.
        let _ = self.stream.write_all(bytes.as_ref());
    }

    /// Everything up to and including `end`; panics where the peer closes first.
    pub(crate) fn read_until(&mut self, end: &str) -> String {
        let (end, mut looked) = (end.as_bytes(), 0);
        loop {
            let from = usize::saturating_sub(looked, end.len());
            if let Some(at) = self.ahead[from..].windows(end.len()).position(|w| w == end) {
                let rest = self.ahead.split_off(from + at + end.len());
                return String::from_utf8_lossy(&std::mem::replace(&mut self.ahead, rest)).into_owned();
            }
            looked = self.ahead.len();
            assert!(self.more(), "closed after {:?}", String::from_utf8_lossy(&self.ahead));
        }
    }

    /// Everything until the peer closes.
    pub(crate) fn read_to_end(&mut self) -> String {
        while self.more() {}
        String::from_utf8_lossy(&std::mem::take(&mut self.ahead)).into_owned()
    }

    /// What has come next; nothing where the peer has ended.
    pub(crate) fn bytes(&mut self) -> Option<Vec<u8>> {
        (!self.ahead.is_empty() || self.more()).then(|| std::mem::take(&mut self.ahead))
    }

    /// So many bytes.
    pub(crate) fn exactly(&mut self, length: usize) -> Vec<u8> {
        while self.ahead.len() < length {
            assert!(self.more(), "closed after {} bytes", self.ahead.len());
        }
        let rest = self.ahead.split_off(length);
        std::mem::replace(&mut self.ahead, rest)
    }

    /// Puts back what has been read.
    pub(crate) fn unread(&mut self, bytes: impl AsRef<[u8]>) {
        self.ahead.splice(..0, bytes.as_ref().iter().copied());
    }

    /// Says that nothing more will be sent, or read.
    pub(crate) fn shutdown(&self, how: Shutdown) {
        self.stream.shutdown(how).unwrap();
    }

    /// A head to the byte, with its empty line.
    pub(crate) fn raw_head(&mut self) -> Vec<u8> {
        loop {
            if let Some(at) = self.ahead.windows(4).position(|w| w == b"\r\n\r\n") {
                return self.exactly(at + 4);
            }
            assert!(self.more(), "closed after {:?}", String::from_utf8_lossy(&self.ahead));
        }
    }

    /// A head, with its empty line.
    pub(crate) fn head(&mut self) -> String {
        self.read_until("\r\n\r\n")
    }

    /// Whether nothing comes for a while.
    pub(crate) fn is_silent(&mut self) -> bool {
        self.stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let mut one = [0];
        let silent = self.ahead.is_empty()
            && self
                .stream
                .peek(&mut one)
                .is_err_and(|e| matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut));
        self.stream.set_read_timeout(Some(DEADLINE)).unwrap();
        silent
    }

    /// Reads on; false where the peer has ended.
    pub(crate) fn more(&mut self) -> bool {
        let mut some = [0; 65_536];
        match self.stream.read(&mut some) {
            Ok(0) => false,
            Ok(n) => {
                self.ahead.extend_from_slice(&some[..n]);
                true
            }
            Err(e) if e.kind() == ErrorKind::ConnectionReset => false,
            Err(e) => panic!("{e} after {:?}", String::from_utf8_lossy(&self.ahead)),
        }
    }
}

/// An origin that runs one function for each connection.
pub(crate) struct Origin {
    pub(crate) addr: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Origin {
    pub(crate) fn run(serve: impl Fn(Wire) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let (connections, serve) = (Arc::new(AtomicUsize::new(0)), Arc::new(serve));
        let counted = Arc::clone(&connections);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                counted.fetch_add(1, Ordering::SeqCst);
                let serve = Arc::clone(&serve);
                std::thread::spawn(move || serve(Wire::new(stream.unwrap())));
            }
        });
        Self { addr, connections }
    }

    /// Answers every request that has no body with its head, as a text.
    pub(crate) fn echo() -> Self {
        Self::run(|mut wire| {
            while wire.more() {
                let head = wire.head();
                wire.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{head}", head.len()));
            }
        })
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// A recorder on a store of its own.
pub(crate) struct Bench {
    pub(crate) recorder: Recorder,
    store: StoreConfig,
    _directory: tempfile::TempDir,
}

impl Bench {
    pub(crate) fn before(origin: &Origin, flags: &[&str]) -> Self {
        let upstream = format!("http://{}", origin.addr);
        Self::with(&[&["--upstream", &upstream], flags].concat())
    }

    pub(crate) fn with(flags: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("t.db").display());
        let mut own = vec!["r", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--workers", "2"];
        if !flags.contains(&"--store") {
            own.extend(["--store", &url]);
        }
        let config = Flags::try_parse_from(own.iter().chain(flags)).unwrap().into_config().unwrap();
        let store = config.store.clone();
        Self { recorder: Recorder::start(config).unwrap(), store, _directory: directory }
    }

    pub(crate) fn client(&self) -> Wire {
        Wire::connect(self.recorder.addr())
    }

    /// What the admin listener says.
    pub(crate) fn admin(&self, path: &str) -> String {
        let mut wire = Wire::connect(self.recorder.admin_addr());
        wire.send(format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"));
        wire.read_to_end()
    }

    /// Drains: the ledger, which must balance, and what is in the store.
    pub(crate) fn drain(self) -> (Snapshot, Vec<Exchange>) {
        let ledger = self.recorder.drain();
        assert!(ledger.balances(), "{ledger}");
        let window = Window::new(Timestamp::ZERO, Timestamp::LAST).unwrap();
        let store = Store::open(&self.store).unwrap();
        let mut reader = store.read(&store.plan(window).unwrap()).unwrap();
        let mut exchanges = Vec::new();
        loop {
            match reader.next(DEADLINE).unwrap() {
                Next::Record(record) => exchanges.push(record.exchange.unwrap()),
                Next::End => return (ledger, exchanges),
                Next::Idle | Next::PartitionEnd(_) => {}
            }
        }
    }
}

/// Waits for a condition.
#[track_caller]
pub(crate) fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < DEADLINE, "{what}: not within {DEADLINE:?}");
        std::thread::yield_now();
    }
}
