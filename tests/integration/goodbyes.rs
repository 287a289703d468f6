//! HTTP/2 targets that leave, or refuse, with requests under way: what they have not looked at is sent again, nothing else is.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use umbra_common::exchange::Exchange;
use umbra_common::ledger::Snapshot;
use umbra_common::time::Timestamp;
use umbra_tests::exchanges;
use umbra_tests::frames::kind::{DATA, GOAWAY, HEADERS, RST_STREAM};
use umbra_tests::frames::{END_HEADERS, END_STREAM, block, frame, settings};
use umbra_tests::replayer::replay;
use umbra_tests::stores::TestStore;

const COUNT: usize = 6;
const REFUSED_STREAM: u32 = 7;
/// No goodbye is meant by it yet: any stream may still be looked at (RFC 9113, 6.8).
const ANY_STREAM: u32 = (1 << 31) - 1;

/// Requests that say in their bodies which ones they are.
fn numbered() -> Vec<Exchange> {
    let start = Timestamp::now().before(Duration::from_secs(60));
    let at = |n: usize| start.after(Duration::from_millis(n as u64));
    (0..COUNT).map(|n| exchanges::post(at(n), "/", n.to_string().as_bytes())).collect()
}

/// One connection of a target.
struct Connection {
    stream: TcpStream,
    /// Bodies by number that were looked at, on all connections.
    looked_at: Arc<Mutex<Vec<String>>>,
}

impl Connection {
    /// The next whole request, by its stream, with its body.
    fn request(&mut self) -> io::Result<(u32, String)> {
        let mut bodies = BTreeMap::<u32, Vec<u8>>::new();
        loop {
            let mut head = [0; 9];
            self.stream.read_exact(&mut head)?;
            let [a, b, c, kind, flags, stream @ ..] = head;
            let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
            self.stream.read_exact(&mut payload)?;
            let stream = u32::from_be_bytes(stream);
            if kind != DATA {
                continue;
            }
            let body = bodies.entry(stream).or_default();
            body.extend(payload);
            if flags & END_STREAM != 0 {
                return Ok((stream, String::from_utf8_lossy(body).into_owned()));
            }
        }
    }

    fn look_at(&self, body: String) {
        self.looked_at.lock().unwrap().push(body);
    }

    fn answer(&mut self, stream: u32, body: String) -> io::Result<()> {
        self.look_at(body);
        let fields = block(&[(":status", "200")]);
        self.stream.write_all(&frame(HEADERS, END_HEADERS | END_STREAM, stream, &fields))
    }

    fn answer_all(&mut self) -> io::Result<()> {
        loop {
            let (stream, body) = self.request()?;
            self.answer(stream, body)?;
        }
    }

    fn goodbye(&mut self, last: u32) -> io::Result<()> {
        self.stream.write_all(&goodbye(last))
    }

    fn refuse(&mut self, stream: u32) -> io::Result<()> {
        self.stream.write_all(&frame(RST_STREAM, 0, stream, &REFUSED_STREAM.to_be_bytes()))
    }

    /// All requests, in the order of their streams.
    fn all(&mut self) -> io::Result<Vec<(u32, String)>> {
        (0..COUNT).map(|_| self.request()).collect()
    }
}

fn goodbye(last: u32) -> Vec<u8> {
    frame(GOAWAY, 0, 0, &[last.to_be_bytes(), [0; 4]].concat())
}

/// A target that deals with its n-th connection as told. Where it listens, and the bodies that it has looked at.
fn target(
    deal: impl Fn(usize, &mut Connection) -> io::Result<()> + Send + Sync + 'static,
) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    target_that_greets(|_| settings(&[]), deal)
}

/// The same, whose n-th connection begins with these frames, in one piece.
fn target_that_greets(
    greeting: impl Fn(usize) -> Vec<u8> + Send + 'static,
    deal: impl Fn(usize, &mut Connection) -> io::Result<()> + Send + Sync + 'static,
) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    const PREFACE: usize = 24;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (deal, looked_at) = (Arc::new(deal), Arc::default());
    let seen = Arc::clone(&looked_at);
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let (deal, looked_at, greeting) = (Arc::clone(&deal), Arc::clone(&seen), greeting(number));
            std::thread::spawn(move || {
                let mut connection = Connection { stream: stream?, looked_at };
                connection.stream.read_exact(&mut [0; PREFACE])?;
                connection.stream.write_all(&greeting)?;
                deal(number, &mut connection)?;
                // Closed with something unread, the connection would be reset, and what was written lost.
                connection.stream.shutdown(std::net::Shutdown::Write)?;
                io::copy(&mut connection.stream, &mut io::sink())
            });
        }
    });
    (address, looked_at)
}

/// Sends everything at once.
fn replayed(to: SocketAddr) -> Snapshot {
    let store = TestStore::sqlite();
    store.write(&numbered());
    let target = format!("leaving=h2c://{to}");
    replay(&store, &["--target", &target, "--rate", "max", "--protocol", "h2"]).targets.remove(0).ledger
}

/// How many ended as answered and as broken.
fn ends(to: SocketAddr) -> (u64, u64) {
    let ledger = replayed(to);
    (ledger.state("answered"), ledger.reason("failed", "broken"))
}

fn each_once(looked_at: &Mutex<Vec<String>>) {
    let mut bodies = looked_at.lock().unwrap().clone();
    bodies.sort();
    assert_eq!(bodies, (0..COUNT).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[test]
fn what_lies_beyond_a_goodbye_is_sent_again_on_another_connection() {
    let (address, looked_at) = target(|number, connection| {
        if number > 0 {
            return connection.answer_all();
        }
        let mut requests = connection.all()?;
        let (first, body) = requests.swap_remove(0);
        connection.goodbye(first)?;
        connection.answer(first, body)
    });
    assert_eq!(ends(address), (COUNT as u64, 0));
    each_once(&looked_at);
}

#[test]
fn a_goodbye_that_spares_all_streams_at_first_spares_only_what_the_next_names() {
    let (address, looked_at) = target(|number, connection| {
        if number > 0 {
            return connection.answer_all();
        }
        let requests = connection.all()?;
        connection.goodbye(ANY_STREAM)?;
        let last = requests[2].0;
        connection.goodbye(last)?;
        requests.into_iter().take(3).try_for_each(|(stream, body)| connection.answer(stream, body))
    });
    assert_eq!(ends(address), (COUNT as u64, 0));
    each_once(&looked_at);
}

#[test]
fn requests_that_cross_a_goodbye_are_sent_again() {
    // What still comes behind the first goodbye had left before it was read.
    let (address, looked_at) = target(|number, connection| {
        if number > 0 {
            return connection.answer_all();
        }
        let (first, body) = connection.request()?;
        connection.goodbye(ANY_STREAM)?;
        connection.answer(first, body)?;
        connection.goodbye(first)
    });
    assert_eq!(ends(address), (COUNT as u64, 0));
    each_once(&looked_at);
}

#[test]
fn what_a_goodbye_may_have_looked_at_is_not_sent_again() {
    let (address, looked_at) = target(|_, connection| {
        let requests = connection.all()?;
        let last = requests[COUNT - 1].0;
        requests.into_iter().for_each(|(_, body)| connection.look_at(body));
        connection.goodbye(last)
    });
    assert_eq!(ends(address), (0, COUNT as u64));
    each_once(&looked_at);
}

#[test]
fn a_refused_stream_is_sent_again() {
    let (address, looked_at) = target(|_, connection| {
        for (stream, _) in connection.all()? {
            connection.refuse(stream)?;
        }
        connection.answer_all()
    });
    assert_eq!(ends(address), (COUNT as u64, 0));
    each_once(&looked_at);
}

#[test]
fn a_stream_that_is_reset_otherwise_is_not_sent_again() {
    const CANCEL: u32 = 8;
    let (address, looked_at) = target(|_, connection| {
        loop {
            let (stream, body) = connection.request()?;
            connection.look_at(body);
            connection.stream.write_all(&frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes()))?;
        }
    });
    assert_eq!(ends(address), (0, COUNT as u64));
    each_once(&looked_at);
}

#[test]
fn a_target_that_looks_at_nothing_ever_is_asked_three_times_for_each() {
    let asked = Arc::new(AtomicUsize::new(0));
    let asking = Arc::clone(&asked);
    let (refusing, _) = target(move |_, connection| {
        loop {
            let (stream, _) = connection.request()?;
            asking.fetch_add(1, Ordering::SeqCst);
            connection.refuse(stream)?;
        }
    });
    assert_eq!(ends(refusing), (0, COUNT as u64));
    assert_eq!(asked.load(Ordering::SeqCst), 3 * COUNT);
    let (leaving, _) = target(|_, connection| connection.request().and_then(|_| connection.goodbye(0)));
    assert_eq!(ends(leaving), (0, COUNT as u64));
}

fn hello_and_goodbye() -> Vec<u8> {
    [settings(&[]), goodbye(0)].concat()
}

#[test]
fn a_goodbye_for_a_greeting_is_answered_by_another_connection() {
    let greeting = |number| if number == 0 { hello_and_goodbye() } else { settings(&[]) };
    let (address, looked_at) = target_that_greets(greeting, |_, connection| connection.answer_all());
    assert_eq!(ends(address), (COUNT as u64, 0));
    each_once(&looked_at);
}

#[test]
fn a_target_that_ends_each_connection_at_once_is_not_connected_to_without_end() {
    let greetings: [fn(usize) -> Vec<u8>; 3] = [|_| hello_and_goodbye(), |_| settings(&[]), |_| Vec::new()];
    for greeting in greetings {
        let connections = Arc::new(AtomicUsize::new(0));
        let counting = Arc::clone(&connections);
        let (address, _) = target_that_greets(greeting, move |_, _| {
            counting.fetch_add(1, Ordering::SeqCst);
            Ok(())
        });
        let ledger = replayed(address);
        assert_eq!(ledger.state("failed"), COUNT as u64, "{ledger}");
        let connections = connections.load(Ordering::SeqCst);
        assert!(connections <= 3 * COUNT, "{connections} connections for {COUNT} requests");
    }
}
