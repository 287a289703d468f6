//! HTTP/2 servers that leave, or refuse, with requests under way: what they have not looked at is sent again, nothing else is.

mod recorded;
mod replayed;

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use umbra_tests::frames::kind::{DATA, GOAWAY, HEADERS, RST_STREAM};
use umbra_tests::frames::{END_HEADERS, END_STREAM, block, frame, settings};

/// So many requests at once, with bodies that say which ones they are.
const COUNT: usize = 6;
/// What stands behind a body with trailers, in what is said of it.
const TRAILERS: &str = " and trailers";
const REFUSED_STREAM: u32 = 7;
const CANCEL: u32 = 8;
/// No goodbye is meant by it yet: any stream may still be looked at (RFC 9113, 6.8).
const ANY_STREAM: u32 = (1 << 31) - 1;

/// One connection of a target.
struct Connection {
    stream: TcpStream,
    /// What has come of requests that have not come whole, by stream.
    begun: BTreeMap<u32, Vec<u8>>,
    /// Bodies by number that were looked at, on all connections.
    looked_at: Arc<Mutex<Vec<String>>>,
}

impl Connection {
    /// The next whole request, by its stream, with its body.
    fn request(&mut self) -> io::Result<(u32, String)> {
        loop {
            let (kind, flags, stream, payload) = self.frame()?;
            match (kind, self.begun.get_mut(&stream)) {
                (HEADERS, None) => _ = self.begun.insert(stream, Vec::new()),
                (HEADERS, Some(body)) => body.extend(TRAILERS.as_bytes()),
                (DATA, Some(body)) => body.extend(payload),
                _ => continue,
            }
            if flags & END_STREAM != 0
                && let Some(body) = self.begun.remove(&stream)
            {
                return Ok((stream, String::from_utf8_lossy(&body).into_owned()));
            }
        }
    }

    /// The stream of the next frame of a body.
    fn body_of(&mut self) -> io::Result<u32> {
        loop {
            if let (DATA, _, stream, _) = self.frame()? {
                return Ok(stream);
            }
        }
    }

    /// The next frame: its type, flags, stream and payload.
    fn frame(&mut self) -> io::Result<(u8, u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head)?;
        let [a, b, c, kind, flags, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.stream.read_exact(&mut payload)?;
        Ok((kind, flags, u32::from_be_bytes(stream), payload))
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
        self.reset(stream, REFUSED_STREAM)
    }

    fn reset(&mut self, stream: u32, code: u32) -> io::Result<()> {
        self.stream.write_all(&frame(RST_STREAM, 0, stream, &code.to_be_bytes()))
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
                let mut connection = Connection { stream: stream?, begun: BTreeMap::new(), looked_at };
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

/// Answers the first of all requests, and has not looked at the others of its first connection.
fn leaves_after_the_first() -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    target(|number, connection| {
        if number > 0 {
            return connection.answer_all();
        }
        let mut requests = connection.all()?;
        let (first, body) = requests.swap_remove(0);
        connection.goodbye(first)?;
        connection.answer(first, body)
    })
}

/// Looks at all requests, and leaves without an answer.
fn leaves_after_all() -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    target(|_, connection| {
        let requests = connection.all()?;
        let last = requests[COUNT - 1].0;
        requests.into_iter().for_each(|(_, body)| connection.look_at(body));
        connection.goodbye(last)
    })
}

/// Refuses all requests, then answers.
fn refuses_all_once() -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    target(|_, connection| {
        for (stream, _) in connection.all()? {
            connection.refuse(stream)?;
        }
        connection.answer_all()
    })
}

/// Looks at each request, and resets its stream.
fn looks_and_cancels() -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    target(|_, connection| {
        loop {
            let (stream, body) = connection.request()?;
            connection.look_at(body);
            connection.reset(stream, CANCEL)?;
        }
    })
}

fn each_once(looked_at: &Mutex<Vec<String>>) {
    let mut bodies = looked_at.lock().unwrap().clone();
    bodies.sort();
    assert_eq!(bodies, (0..COUNT).map(|n| n.to_string()).collect::<Vec<_>>());
}
