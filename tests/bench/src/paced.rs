//! A load of a fixed rate whose own work is small: one thread for all connections, each request at its time.
//!
//! A thread for each connection is simpler, and is what tests use. At tens of thousands of requests a second it takes as
//! much of a small machine as the proxy that is measured: two wake-ups a request, and dozens of threads that the proxy has to
//! wait behind.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use umbra_common::rate::Rate;
use umbra_tests::load::Sample;

/// For a connection to be made, or the last answers to come.
const PATIENCE: Duration = Duration::from_secs(5);

/// What one look at a connection reads; answers are small.
const READ: usize = 4 << 10;

/// Among the connections' numbers, the timer's.
const TIMER: u64 = u64::MAX;

/// A load that runs until it is told to end.
#[derive(Debug)]
pub struct PacedLoad {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<anyhow::Result<Vec<Sample>>>>,
}

impl PacedLoad {
    /// The same request `rate` times a second, evenly, each on the connection that has been free for longest. One that is due
    /// while none is free waits for one, and its time runs. Answers have a `Content-Length`.
    pub fn start(to: SocketAddr, connections: u32, rate: u32, request: &'static [u8]) -> anyhow::Result<Self> {
        let rate = Rate::per_second(rate).context("a rate of zero")?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new()
            .name("paced".into())
            .spawn(move || Lines::connect(to, connections, request)?.run(rate, &stopped))?;
        Ok(Self { stop, thread: Some(thread) })
    }

    /// Ends it when what is under way is answered. What came of each request, by when it was due.
    pub fn finish(mut self) -> anyhow::Result<Vec<Sample>> {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().context("finished twice")?;
        let mut samples = thread.join().map_err(|_| anyhow!("the load panicked"))??;
        samples.sort_unstable_by_key(|sample| sample.due);
        Ok(samples)
    }
}

impl Drop for PacedLoad {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// All connections.
#[derive(Debug)]
struct Lines {
    to: SocketAddr,
    request: &'static [u8],
    epoll: OwnedFd,
    /// A wait's own limit may be rounded to milliseconds.
    timer: OwnedFd,
    all: Vec<Line>,
    /// Those without a request under way, the one that has been free for longest first.
    free: VecDeque<usize>,
}

#[derive(Debug)]
struct Line {
    stream: TcpStream,
    /// When the request under way was due.
    due: Duration,
    answer: Vec<u8>,
}

/// What a look at a connection found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Whole { good: bool },
    Partly,
    Broken,
}

impl Lines {
    fn connect(to: SocketAddr, count: u32, request: &'static [u8]) -> anyhow::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
        epoll::add(&epoll, &timer, EventData::new_u64(TIMER), EventFlags::IN)?;
        let all: Vec<_> = (0..count.into()).map(|n| Line::connect(to, &epoll, n)).collect::<Result<_, _>>()?;
        let free = (0..all.len()).collect();
        Ok(Self { to, request, epoll, timer, all, free })
    }

    fn run(mut self, rate: Rate, stop: &AtomicBool) -> anyhow::Result<Vec<Sample>> {
        let (mut samples, mut events) = (Vec::new(), Vec::with_capacity(self.all.len() + 1));
        let (began, mut next, mut last_answer) = (Instant::now(), 0, Instant::now());
        loop {
            let ends = stop.load(Ordering::Relaxed);
            let mut wait = PATIENCE;
            while !ends && !self.free.is_empty() {
                let (due, now) = (rate.due(next), began.elapsed());
                if due > now {
                    wait = due - now;
                    break;
                }
                self.send(due, &mut samples)?;
                next += 1;
            }
            let under_way = self.all.len() - self.free.len();
            if ends && (under_way == 0 || last_answer.elapsed() > PATIENCE) {
                let unanswered = std::iter::repeat_n(PATIENCE, under_way);
                samples.extend(unanswered.map(|took| Sample { due: rate.due(next), took, good: false }));
                return Ok(samples);
            }
            self.wait(wait, &mut events)?;
            for event in events.drain(..).filter(|event| event.data.u64() != TIMER) {
                last_answer = Instant::now();
                self.read(usize::try_from(event.data.u64())?, began, &mut samples)?;
            }
        }
    }

    /// Sends a request on a connection that is free.
    fn send(&mut self, due: Duration, samples: &mut Vec<Sample>) -> anyhow::Result<()> {
        let Some(n) = self.free.pop_front() else { return Ok(()) };
        let line = &mut self.all[n];
        line.due = due;
        line.answer.clear();
        match line.stream.write_all(self.request) {
            Ok(()) => Ok(()),
            Err(_) => self.broken(n, samples),
        }
    }

    /// Until something comes, or the time is over.
    fn wait(&self, at_most: Duration, events: &mut Vec<Event>) -> anyhow::Result<()> {
        const ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
        let it_value = Timespec::try_from(at_most).context("a wait too long")?;
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &Itimerspec { it_interval: ONCE, it_value })?;
        match epoll::wait(&self.epoll, spare_capacity(events), None) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn read(&mut self, n: usize, began: Instant, samples: &mut Vec<Sample>) -> anyhow::Result<()> {
        let line = &mut self.all[n];
        let good = match line.read() {
            Answer::Partly => return Ok(()),
            Answer::Broken => return self.broken(n, samples),
            Answer::Whole { good } => good,
        };
        samples.push(Sample { due: line.due, took: began.elapsed().saturating_sub(line.due), good });
        self.free.push_back(n);
        Ok(())
    }

    /// A connection broke, with a request on it unless it was free. Another takes its place.
    fn broken(&mut self, n: usize, samples: &mut Vec<Sample>) -> anyhow::Result<()> {
        if !self.free.contains(&n) {
            samples.push(Sample { due: self.all[n].due, took: PATIENCE, good: false });
            self.free.push_back(n);
        }
        self.all[n] = Line::connect(self.to, &self.epoll, n as u64)?;
        Ok(())
    }
}

impl Line {
    fn connect(to: SocketAddr, epoll: &OwnedFd, n: u64) -> anyhow::Result<Self> {
        let stream = TcpStream::connect_timeout(&to, PATIENCE).with_context(|| format!("no connection to {to}"))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        epoll::add(epoll, &stream, EventData::new_u64(n), EventFlags::IN)?;
        Ok(Self { stream, due: Duration::ZERO, answer: Vec::new() })
    }

    fn read(&mut self) -> Answer {
        let mut part = [0; READ];
        match self.stream.read(&mut part) {
            Ok(0) => Answer::Broken,
            Ok(length) => {
                self.answer.extend_from_slice(&part[..length]);
                whole(&self.answer)
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Answer::Partly,
            Err(_) => Answer::Broken,
        }
    }
}

/// Whether an answer is there. Bytes behind it belong to none.
fn whole(bytes: &[u8]) -> Answer {
    const END: &[u8] = b"\r\n\r\n";
    let Some(end) = bytes.windows(END.len()).position(|w| w == END) else { return Answer::Partly };
    let length = bytes[..end].split(|b| *b == b'\n').find_map(|line| {
        let (name, value) = str::from_utf8(line).ok()?.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    match length.map(|length| bytes.len().cmp(&(end + END.len() + length))) {
        Some(std::cmp::Ordering::Less) => Answer::Partly,
        Some(std::cmp::Ordering::Equal) => Answer::Whole { good: bytes.starts_with(b"HTTP/1.1 200 ") },
        Some(std::cmp::Ordering::Greater) | None => Answer::Broken,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receiver::Receiver;

    const REQUEST: &[u8] = b"GET /n/1 HTTP/1.1\r\nhost: bench\r\n\r\n";

    #[test]
    fn requests_are_sent_at_their_times_and_every_answer_is_counted() {
        let receiver = Receiver::start().unwrap();
        let load = PacedLoad::start(receiver.addr(), 3, 2000, REQUEST).unwrap();
        while receiver.count() < 300 {
            thread::yield_now();
        }
        let samples = load.finish().unwrap();
        assert_eq!(samples.len(), receiver.count());
        assert!(samples.iter().all(|sample| sample.good));
        let rate = Rate::per_second(2000).unwrap();
        assert!(samples.iter().enumerate().all(|(n, sample)| sample.due == rate.due(n as u64)));
    }

    #[test]
    fn what_waits_for_a_free_connection_has_waited() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let load = PacedLoad::start(listener.local_addr().unwrap(), 1, 1000, REQUEST).unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; REQUEST.len()];
        stream.read_exact(&mut request).unwrap();
        let late = Duration::from_millis(30);
        thread::sleep(late);
        for _ in 0..10 {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
            stream.read_exact(&mut request).unwrap();
        }
        stream.write_all(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n").unwrap();
        load.stop.store(true, Ordering::Relaxed);
        // Whatever comes before it looks.
        while stream.read_exact(&mut request).is_ok() {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
        let samples = load.finish().unwrap();
        assert!(samples.len() >= 11);
        for sample in &samples[..10] {
            assert!(sample.good && sample.took >= late - sample.due, "{sample:?}");
        }
        assert!(!samples[10].good);
    }

    #[test]
    fn a_connection_that_breaks_is_a_failure_and_is_made_again() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let load = PacedLoad::start(listener.local_addr().unwrap(), 1, 1000, REQUEST).unwrap();
        drop(listener.accept().unwrap());
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0; REQUEST.len()]).unwrap();
        load.stop.store(true, Ordering::Relaxed);
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
        let samples = load.finish().unwrap();
        assert!(samples.iter().any(|sample| !sample.good) && samples.iter().any(|sample| sample.good), "{samples:?}");
    }

    #[test]
    fn an_answer_is_whole_when_all_of_it_is_there() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        for cut in 0..answer.len() {
            assert_eq!(whole(&answer[..cut]), Answer::Partly);
        }
        assert_eq!(whole(answer), Answer::Whole { good: true });
        assert_eq!(whole(b"HTTP/1.1 503 No\r\ncontent-length:0\r\n\r\n"), Answer::Whole { good: false });
        assert_eq!(whole(b"HTTP/1.1 200 OK\r\n\r\n"), Answer::Broken);
    }
}
