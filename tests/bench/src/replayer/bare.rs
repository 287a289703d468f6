//! The control: a sender that does nothing else. What it is late by is this machine's doing, and the receiver's.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail, ensure};
use umbra_common::rate::Rate;

use super::grid::Run;
use crate::receiver::{self, Receiver};
use crate::stop::Stop;
use crate::usage;

/// Requests take turns on these: by the next turn of each its answer has long come.
const CONNECTIONS: usize = 16;
/// The kernel may wake a thread later than asked by as much as this, so as to wake several at once; its own choice is 50 µs.
const TIMER_SLACK_NANOS: &str = "1000";
/// From the last preparation to the first due time.
const LEAD: Duration = Duration::from_millis(5);
/// For a request to arrive, or an answer to the first one on a connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// Sends `count` numbered requests, `rate` in a second, from one thread on an absolute schedule.
pub(super) fn run(rate: u32, count: u32, to: &Receiver, stop: &Stop) -> anyhow::Result<Run> {
    let rate = Rate::per_second(rate).context("a rate of zero")?;
    // A thread of its own, since the slack is a thread's.
    let cpu = thread::scope(|scope| {
        let sending = thread::Builder::new().name("bare".into()).spawn_scoped(scope, || send(rate, count, to, stop))?;
        sending.join().map_err(|_| anyhow!("the bare sender panicked"))?
    })?;
    Ok(Run { received: to.take(), cpu })
}

/// The CPU time that it took.
fn send(rate: Rate, count: u32, to: &Receiver, stop: &Stop) -> anyhow::Result<Duration> {
    wake_punctually().context("cannot set the timer slack of a thread in /proc")?;
    let mut connections = (0..CONNECTIONS).map(|_| connect(to)).collect::<anyhow::Result<Vec<_>>>()?;
    let mut request = Vec::new();
    let before = usage::cpu_of_this_thread();
    let start = Instant::now() + LEAD;
    for n in 0..count {
        stop.check()?;
        let connection = &mut connections[n as usize % CONNECTIONS];
        discard_answers(connection)?;
        request.clear();
        write_request(&mut request, &receiver::path(n))?;
        let due = start + rate.due(n.into());
        let mut now = Instant::now();
        while now < due {
            thread::sleep(due - now);
            now = Instant::now();
        }
        connection.write_all(&request).context("the receiver does not keep up with the bare sender")?;
    }
    let cpu = usage::cpu_of_this_thread() - before;
    // A connection that is closed with answers unread takes requests with it that have not been read.
    let end = Instant::now() + PATIENCE;
    while to.count() < count as usize && Instant::now() < end {
        thread::sleep(LEAD);
    }
    Ok(cpu)
}

fn wake_punctually() -> std::io::Result<()> {
    let this = std::fs::read_link("/proc/thread-self")?;
    let id = this.file_name().ok_or(ErrorKind::NotFound)?;
    std::fs::write(std::path::Path::new("/proc").join(id).join("timerslack_ns"), TIMER_SLACK_NANOS)
}

/// A connection that has been answered once: it has been accepted, and whatever a first request costs is behind it.
fn connect(to: &Receiver) -> anyhow::Result<TcpStream> {
    let mut stream = TcpStream::connect(to.addr())?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write_request(&mut stream, "/")?;
    let mut answer = Vec::new();
    while !answer.ends_with(receiver::ANSWER) {
        let mut part = [0; 512];
        let length = stream.read(&mut part)?;
        ensure!(length > 0, "the receiver closed a connection");
        answer.extend_from_slice(&part[..length]);
    }
    stream.set_nonblocking(true)?;
    Ok(stream)
}

fn write_request(to: &mut impl Write, path: &str) -> std::io::Result<()> {
    write!(to, "GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n")
}

fn discard_answers(connection: &mut TcpStream) -> anyhow::Result<()> {
    let mut answers = [0; 4096];
    loop {
        match connection.read(&mut answers) {
            Ok(0) => bail!("the receiver closed a connection"),
            Ok(length) if length == answers.len() => {}
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_arrives_once_and_the_last_not_before_it_is_due() {
        let (receiver, begun) = (Receiver::start().unwrap(), Instant::now());
        // More than there are connections: each is used again.
        let run = run(2000, 200, &receiver, &Stop::default()).unwrap();
        assert!(begun.elapsed() >= Rate::per_second(2000).unwrap().due(199));
        assert_eq!(run.received.iter().map(|a| a.number).collect::<Vec<_>>(), (0..200).collect::<Vec<_>>());
    }

    #[test]
    fn it_ends_when_the_bench_does() {
        let (receiver, stop) = (Receiver::start().unwrap(), Stop::default());
        stop.request();
        assert!(run(1, 1000, &receiver, &stop).is_err());
    }
}
