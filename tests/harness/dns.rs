//! A name server on loopback whose answers a test changes.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// What it says of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DnsAnswer {
    /// These addresses, for so many seconds.
    Addresses(Vec<IpAddr>, u32),
    /// There is no such name. That is also what it says of names that it was told nothing about.
    NoSuchName,
    /// Nothing at all.
    Silence,
}

#[derive(Debug, Default)]
struct Told {
    answers: Mutex<HashMap<String, DnsAnswer>>,
    queries: AtomicUsize,
    stop: AtomicBool,
}

/// The server. Ends when it is dropped.
#[derive(Debug)]
pub struct Dns {
    addr: SocketAddr,
    told: Arc<Told>,
    thread: Option<JoinHandle<()>>,
}

const A: u16 = 1;
const AAAA: u16 = 28;

impl Dns {
    /// Starts one that knows no name.
    pub fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let (addr, told) = (socket.local_addr().unwrap(), Arc::<Told>::default());
        let serving = Arc::clone(&told);
        let thread = std::thread::spawn(move || serve(&socket, &serving));
        Self { addr, told, thread: Some(thread) }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What it says of a name from now on.
    pub fn say(&self, name: &str, answer: DnsAnswer) {
        self.told.answers.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), answer);
    }

    /// That a name has these addresses, for one second at a time.
    pub fn point(&self, name: &str, addresses: &[&str]) {
        let addresses = addresses.iter().map(|a| a.parse().unwrap()).collect();
        self.say(name, DnsAnswer::Addresses(addresses, 1));
    }

    /// How often it was asked for IPv4 addresses.
    pub fn queries(&self) -> usize {
        self.told.queries.load(Ordering::SeqCst)
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.told.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(socket: &UdpSocket, told: &Told) {
    let mut query = [0; 1500];
    while !told.stop.load(Ordering::SeqCst) {
        let Ok((n, from)) = socket.recv_from(&mut query) else { continue };
        if let Some(answer) = answer(&query[..n], told) {
            let _ = socket.send_to(&answer, from);
        }
    }
}

/// The answer to a query with one question (RFC 1035, 4.1); nothing to what is none, and where silence is wanted.
fn answer(query: &[u8], told: &Told) -> Option<Vec<u8>> {
    let mut name = Vec::new();
    let mut at = 12;
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        name.push(String::from_utf8_lossy(query.get(at..at + length)?).to_ascii_lowercase());
        at += length;
    }
    let kind = u16::from_be_bytes([*query.get(at)?, *query.get(at + 1)?]);
    let question = query.get(12..at + 4)?;
    if kind == A {
        told.queries.fetch_add(1, Ordering::SeqCst);
    }
    let answers = told.answers.lock().unwrap_or_else(PoisonError::into_inner);
    let (addresses, ttl, code) = match answers.get(&name.join(".")) {
        Some(DnsAnswer::Silence) => return None,
        None | Some(DnsAnswer::NoSuchName) => (&[][..], 0, 3),
        Some(DnsAnswer::Addresses(addresses, ttl)) => (&addresses[..], *ttl, 0),
    };
    let wanted: Vec<_> = addresses.iter().filter(|a| kind == if a.is_ipv4() { A } else { AAAA }).collect();
    let mut reply = query[..2].to_vec();
    // A response to a recursive query, by a server that recurses; its code.
    reply.extend([0x81, 0x80 | code]);
    for count in [1, u16::try_from(wanted.len()).unwrap(), 0, 0] {
        reply.extend(count.to_be_bytes());
    }
    reply.extend(question);
    for address in wanted {
        let octets = match address {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            IpAddr::V6(v6) => v6.octets().to_vec(),
        };
        // The name is that of the question, at byte 12.
        reply.extend([0xc0, 12]);
        reply.extend(kind.to_be_bytes());
        reply.extend(1u16.to_be_bytes());
        reply.extend(ttl.to_be_bytes());
        reply.extend(u16::try_from(octets.len()).unwrap().to_be_bytes());
        reply.extend(octets);
    }
    Some(reply)
}
