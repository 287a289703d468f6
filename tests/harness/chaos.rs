//! A TCP proxy that does to a connection what networks do: stalls, cuts, swallows, slows.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What the proxy does with the bytes of all connections, from the next ones on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Passes them on.
    Pass,
    /// Keeps connections open and reads nothing: senders fill their buffers.
    Stall,
    /// Reads everything and passes nothing on: senders see success and no answer.
    BlackHole,
    /// Passes on what clients say, and nothing of what the server answers.
    Unanswered,
    /// Closes all connections, and new ones at once.
    Cut,
    /// Passes on so many bytes a second, in each direction of each connection.
    Throttle(u32),
    /// The proxy is gone.
    Ended,
}

/// How often a thread looks for a change of mode while it waits.
const TICK: Duration = Duration::from_millis(10);

struct Shared {
    mode: Mutex<Mode>,
    /// A replacement in what the server says, of the same length.
    rewrite: Option<(Vec<u8>, Vec<u8>)>,
    to: SocketAddr,
}

impl Shared {
    fn mode(&self) -> Mode {
        *self.mode.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The proxy. Ends, with all of its connections, when it is dropped.
pub struct Chaos {
    addr: SocketAddr,
    shared: Arc<Shared>,
}

impl Chaos {
    /// In front of any server.
    pub fn before(to: SocketAddr) -> Self {
        Self::start(to, |_| None)
    }

    /// In front of a Kafka broker.
    ///
    /// Clients go to the address that a broker names in its answers (a length, the host, four bytes of port), so the
    /// proxy puts its own port there: otherwise they would walk past it.
    pub fn before_kafka(host: &str, port: u16) -> Self {
        let to = std::net::ToSocketAddrs::to_socket_addrs(&(host, port)).unwrap().next().unwrap();
        let named = |port: u16| [host.as_bytes(), &u32::from(port).to_be_bytes()].concat();
        Self::start(to, |own| Some((named(port), named(own))))
    }

    fn start(to: SocketAddr, rewrite: impl FnOnce(u16) -> Option<(Vec<u8>, Vec<u8>)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { mode: Mutex::new(Mode::Pass), rewrite: rewrite(addr.port()), to });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || accept(&listener, &accepting));
        Self { addr, shared }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Changes what it does.
    pub fn set(&self, mode: Mode) {
        *self.shared.mode.lock().unwrap_or_else(PoisonError::into_inner) = mode;
    }
}

impl Drop for Chaos {
    fn drop(&mut self) {
        self.set(Mode::Ended);
        // Wakes `accept`, which then sees that it is to stop.
        drop(TcpStream::connect(self.addr));
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for client in listener.incoming().flatten() {
        match shared.mode() {
            Mode::Ended => return,
            Mode::Cut => continue,
            _ => {}
        }
        let Ok(server) = TcpStream::connect(shared.to) else { continue };
        for (from, to, answers) in [(&client, &server, false), (&server, &client, true)] {
            let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            to.set_nodelay(true).unwrap();
            from.set_read_timeout(Some(TICK)).unwrap();
            let shared = Arc::clone(shared);
            std::thread::spawn(move || pump(from, to, answers, &shared));
        }
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, answers: bool, shared: &Shared) {
    let rewrite = shared.rewrite.as_ref().filter(|_| answers);
    let mut buffer = vec![0; 64 << 10];
    let mut held = Vec::new();
    loop {
        let most = match shared.mode() {
            Mode::Cut | Mode::Ended => break,
            Mode::Stall => {
                std::thread::sleep(TICK);
                continue;
            }
            Mode::Throttle(a_second) => (a_second as usize / 100).max(1),
            Mode::Pass | Mode::BlackHole | Mode::Unanswered => buffer.len(),
        };
        let read = match from.read(&mut buffer[..most]) {
            Ok(0) => break,
            Ok(n) => n,
            Err(e) if matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => continue,
            Err(_) => break,
        };
        // The mode may have changed while the read waited: what is read under the new one is treated by it.
        while shared.mode() == Mode::Stall {
            std::thread::sleep(TICK);
        }
        match shared.mode() {
            Mode::Cut | Mode::Ended => break,
            Mode::BlackHole => continue,
            Mode::Unanswered if answers => continue,
            Mode::Throttle(_) => std::thread::sleep(TICK),
            Mode::Pass | Mode::Unanswered | Mode::Stall => {}
        }
        let passed = match rewrite {
            None => to.write_all(&buffer[..read]),
            Some((old, new)) => {
                held.extend_from_slice(&buffer[..read]);
                to.write_all(&whole_frames(&mut held, old, new))
            }
        };
        if passed.is_err() {
            break;
        }
    }
    // Errors mean that a side is closed already.
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

/// Takes the frames (four bytes of length, then as many bytes) that have come whole, with `old` replaced.
fn whole_frames(held: &mut Vec<u8>, old: &[u8], new: &[u8]) -> Vec<u8> {
    let mut end = 0;
    while let Some(length) = held.get(end..end + 4) {
        let length = u32::from_be_bytes([length[0], length[1], length[2], length[3]]) as usize;
        if held.len() < end + 4 + length {
            break;
        }
        end += 4 + length;
    }
    let mut frames: Vec<u8> = held.drain(..end).collect();
    let mut at = 0;
    while let Some(found) = frames[at..].windows(old.len()).position(|w| w == old) {
        frames[at + found..][..new.len()].copy_from_slice(new);
        at += found + new.len();
    }
    frames
}
