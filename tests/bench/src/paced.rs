//! A load of a fixed rate that takes little of the machine itself.
//!
//! One thread sends what has become due each millisecond and then reads what has come since; the kernel says when that was.
//! A thread for each connection, or one that waits for each answer, is woken twice for each request: on two processors that costs twice
//! what a proxy does, and what is measured is the wait for a processor.
//!
//! Where it may, the thread goes before everything else on these processors, as a load on a machine of its own would: one that has to wait
//! for a processor sends what is due in two or three milliseconds together, and measures the queue which that makes.

use std::collections::VecDeque;
use std::io::{IoSliceMut, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;
use thread_priority::{
    RealtimeThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id,
};
use umbra_common::rate::Rate;
use umbra_common::time::Timestamp;
use umbra_tests::load::Sample;

/// What is due within one of these is sent together.
const TICK: Duration = Duration::from_millis(1);

/// For a connection to be made, or the last answers to come.
const PATIENCE: Duration = Duration::from_secs(5);

/// What one look at a connection reads; answers are small.
const READ: usize = 4 << 10;

/// A load that runs until it is told to end.
#[derive(Debug)]
pub struct PacedLoad {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<anyhow::Result<Paced>>>,
}

/// What came of a load.
#[derive(Debug)]
pub struct Paced {
    /// Of each request, by when it was due.
    pub samples: Vec<Sample>,
    /// Whether it was before everything else on the processors.
    pub went_first: bool,
    /// How often it was put on one later than it was to be, by a millisecond or more. Where it went first, that was the machine.
    pub late: u32,
}

impl PacedLoad {
    /// The same request `rate` times a second, each on the connection that has been free for longest. A sample's time runs from when
    /// its request was sent; where none was free, from when it was due. Answers have a `Content-Length`.
    pub fn start(to: SocketAddr, connections: u32, rate: u32, request: &'static [u8]) -> anyhow::Result<Self> {
        let rate = Rate::per_second(rate).context("a rate of zero")?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new().name("paced".into()).spawn(move || {
            let went_first = go_first();
            let all = (0..connections).map(|_| Line::connect(to)).collect::<Result<Vec<_>, _>>()?;
            let free = (0..all.len()).collect();
            let (samples, late) =
                Lines { to, request, all, free, busy: Vec::new(), samples: Vec::new() }.run(rate, &stopped)?;
            Ok(Paced { samples, went_first, late })
        })?;
        Ok(Self { stop, thread: Some(thread) })
    }

    /// Ends it when what is under way is answered.
    pub fn finish(mut self) -> anyhow::Result<Paced> {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().context("finished twice")?;
        let mut paced = thread.join().map_err(|_| anyhow!("the load panicked"))??;
        paced.samples.sort_unstable_by_key(|sample| sample.due);
        Ok(paced)
    }
}

/// Puts this thread before all that share the processors by weight, and says whether that is allowed here (`CAP_SYS_NICE`).
fn go_first() -> bool {
    let first = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::Fifo);
    set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, first).is_ok()
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
    all: Vec<Line>,
    /// Those without a request under way, the one that has been free for longest first.
    free: VecDeque<usize>,
    busy: Vec<usize>,
    samples: Vec<Sample>,
}

#[derive(Debug)]
struct Line {
    stream: TcpStream,
    /// When the request under way was due.
    due: Duration,
    /// When its time began.
    from: Timestamp,
    /// When the last of its answer came.
    at: Timestamp,
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
    /// What came of each request, and how often it was late.
    fn run(mut self, rate: Rate, stop: &AtomicBool) -> anyhow::Result<(Vec<Sample>, u32)> {
        let (began, epoch) = (Instant::now(), Timestamp::now());
        let (mut next, mut tick, mut ended) = (0, began, None);
        let (mut awake, mut late) = (began, 0);
        // What was due by then and is not sent yet has waited for a connection.
        let mut waiting = Duration::ZERO;
        loop {
            self.read()?;
            if stop.load(Ordering::Relaxed) {
                let ended = *ended.get_or_insert_with(Instant::now);
                if self.busy.is_empty() || ended.elapsed() > PATIENCE {
                    return Ok((self.end(), late));
                }
            } else {
                let now = began.elapsed();
                while rate.due(next) <= now && !self.free.is_empty() {
                    let due = rate.due(next);
                    self.send(due, if due < waiting { epoch.after(due) } else { Timestamp::now() })?;
                    next += 1;
                }
                if self.free.is_empty() {
                    waiting = now;
                }
            }
            // However late it is, as long as it has worked it leaves the processor to the others.
            tick = (tick + TICK).max(Instant::now() + awake.elapsed());
            thread::sleep(tick.saturating_duration_since(Instant::now()));
            awake = Instant::now();
            late += u32::from(awake.saturating_duration_since(tick) >= TICK);
        }
    }

    /// Sends a request on a connection that is free.
    fn send(&mut self, due: Duration, from: Timestamp) -> anyhow::Result<()> {
        let Some(n) = self.free.pop_front() else { return Ok(()) };
        let line = &mut self.all[n];
        (line.due, line.from) = (due, from);
        line.answer.clear();
        match line.stream.write_all(self.request) {
            Ok(()) => self.busy.push(n),
            Err(_) => self.broken(n)?,
        }
        Ok(())
    }

    /// Reads what has come on all connections with a request under way.
    fn read(&mut self) -> anyhow::Result<()> {
        for n in std::mem::take(&mut self.busy) {
            let line = &mut self.all[n];
            match line.read()? {
                Answer::Partly => self.busy.push(n),
                Answer::Broken => self.broken(n)?,
                Answer::Whole { good } => {
                    self.samples.push(Sample { due: line.due, took: line.at.since(line.from), good });
                    self.free.push_back(n);
                }
            }
        }
        Ok(())
    }

    /// A connection broke with a request on it. Another takes its place.
    fn broken(&mut self, n: usize) -> anyhow::Result<()> {
        self.samples.push(Sample { due: self.all[n].due, took: PATIENCE, good: false });
        self.all[n] = Line::connect(self.to)?;
        self.free.push_back(n);
        Ok(())
    }

    /// What is still under way has failed.
    fn end(mut self) -> Vec<Sample> {
        let unanswered = self.busy.iter().map(|n| Sample { due: self.all[*n].due, took: PATIENCE, good: false });
        self.samples.extend(unanswered);
        self.samples
    }
}

impl Line {
    fn connect(to: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect_timeout(&to, PATIENCE).with_context(|| format!("no connection to {to}"))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        setsockopt(&stream, sockopt::ReceiveTimestampns, &true)?;
        Ok(Self { stream, due: Duration::ZERO, from: Timestamp::ZERO, at: Timestamp::ZERO, answer: Vec::new() })
    }

    fn read(&mut self) -> anyhow::Result<Answer> {
        let mut part = [0; READ];
        let mut into = [IoSliceMut::new(&mut part)];
        let mut beside = nix::cmsg_space!(TimeSpec);
        let read = match recvmsg::<()>(self.stream.as_raw_fd(), &mut into, Some(&mut beside), MsgFlags::empty()) {
            Ok(read) if read.bytes > 0 => read,
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(Answer::Partly),
            Ok(_) | Err(_) => return Ok(Answer::Broken),
        };
        let at = read.cmsgs()?.find_map(|said| match said {
            ControlMessageOwned::ScmTimestampns(at) => Some(Duration::from(at)),
            _ => None,
        });
        // It begins to note times a moment after somebody asks for them.
        self.at = match at {
            Some(at) => Timestamp::from_nanos(u64::try_from(at.as_nanos())?),
            None => Timestamp::now(),
        };
        let length = read.bytes;
        self.answer.extend_from_slice(&part[..length]);
        Ok(whole(&self.answer))
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
    use std::io::Read;

    const REQUEST: &[u8] = b"GET /n/1 HTTP/1.1\r\nhost: bench\r\n\r\n";

    #[test]
    fn requests_are_sent_at_their_times_and_every_answer_is_counted() {
        let receiver = Receiver::start().unwrap();
        let load = PacedLoad::start(receiver.addr(), 3, 2000, REQUEST).unwrap();
        while receiver.count() < 300 {
            thread::yield_now();
        }
        let samples = load.finish().unwrap().samples;
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
        let samples = load.finish().unwrap().samples;
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
        let samples = load.finish().unwrap().samples;
        assert!(samples.iter().any(|sample| !sample.good) && samples.iter().any(|sample| sample.good), "{samples:?}");
    }

    #[test]
    fn an_answer_counts_from_when_it_came_and_not_from_when_it_was_read() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut line = Line::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        // The kernel notes no times until a moment after it was asked to.
        umbra_tests::wait::eventually("an answer with the kernel's time", || {
            let sent = Timestamp::now();
            server.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
            while line.stream.peek(&mut [0]).is_err() {
                thread::yield_now();
            }
            let before = Timestamp::now();
            line.answer.clear();
            assert_eq!(line.read().unwrap(), Answer::Whole { good: true });
            assert!(line.at >= sent);
            line.at <= before
        });
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
