//! Targets that mean harm: what they send is no answer, half of one, or one without end.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use umbra_tests::frames::kind::{CONTINUATION, DATA, HEADERS};
use umbra_tests::frames::{END_HEADERS, block, frame, settings};
use umbra_tests::origin::Origin;
use umbra_tests::ports::BlackHole;
use umbra_tests::replayer::replay;
use umbra_tests::stores::TestStore;

use crate::targets::{failed, requests};

/// A server that does the same to each connection, on a thread of its own; none of them outlives the test's process.
fn hostile_from(harm: impl Fn(&mut TcpStream) -> std::io::Result<()> + Send + Copy + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // It ends, at the latest, when the other side has left.
            std::thread::spawn(move || drop(harm(&mut stream)));
        }
    });
    address
}

/// The same, begun when a request is there.
fn hostile(harm: fn(&mut TcpStream) -> std::io::Result<()>) -> SocketAddr {
    hostile_from(move |stream| stream.read(&mut [0; 4096]).and_then(|_| harm(stream)))
}

#[test]
fn targets_that_mean_harm_harm_only_themselves() {
    const COUNT: u64 = 20;
    let store = TestStore::sqlite();
    store.write(&requests(COUNT));
    let well = Origin::start();
    let hole = BlackHole::at(([127, 0, 0, 1], 0).into());
    let garbage = hostile(|stream| stream.write_all(b"\x16\x03\x01 what is this?\r\n\r\n"));
    let half = hostile(|stream| stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf"));
    let endless = hostile(|stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\n")?;
        loop {
            stream.write_all(b"x-more: and more and more and more\r\n")?;
        }
    });
    let unending = hostile(|stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")?;
        loop {
            stream.write_all(&[b'x'; 1 << 14])?;
        }
    });
    let drip = hostile(|stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n")?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        loop {
            stream.write_all(b"x")?;
            match stream.read(&mut [0; 64]) {
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                _ => return Ok(()),
            }
        }
    });
    let mute = hostile(|_| Ok(()));
    let hesitant = hostile(|stream| {
        loop {
            stream.write_all(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n")?;
        }
    });
    let targets = [
        ("mute", mute, "broken"),
        ("hesitant", hesitant, "timeout"),
        ("hole", hole.addr(), "connect"),
        ("garbage", garbage, "protocol"),
        ("half", half, "broken"),
        ("endless", endless, "protocol"),
        ("unending", unending, "timeout"),
        ("drip", drip, "timeout"),
    ];
    let urls: Vec<_> = targets.iter().map(|(name, to, _)| format!("{name}=http://{to}")).collect();
    let well_url = format!("well={}", well.url());
    let mut flags = vec!["--target", well_url.as_str(), "--rate", "20/s", "--timeout", "1s", "--connect-timeout", "1s"];
    urls.iter().for_each(|url| flags.extend(["--target", url.as_str()]));
    let report = replay(&store, &flags);
    let got: BTreeSet<_> = well.requests().iter().map(|r| r.head.target().escape_ascii().to_string()).collect();
    assert_eq!(got, (0..COUNT).map(|i| format!("/{i}")).collect());
    assert_eq!(report.targets[0].ledger.state("answered"), COUNT, "{}", report.targets[0].ledger);
    for ((_, _, kind), report) in targets.iter().zip(&report.targets[1..]) {
        failed(report, kind, "");
    }
}

#[test]
fn interim_answers_are_no_answers() {
    let store = TestStore::sqlite();
    store.write(&requests(3));
    let early = hostile(|stream| {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n")?;
        stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
    });
    let report = replay(&store, &["--target", &format!("early=http://{early}"), "--rate", "100/s"]);
    assert_eq!(report.targets[0].ledger.state("answered"), 3, "{}", report.targets[0].ledger);
    assert_eq!(report.targets[0].statuses.get(&204), Some(&3), "{:?}", report.targets[0].statuses);
}

/// The same for connections of HTTP/2, each harmed when its first request is there.
fn hostile_http2(harm: fn(&mut TcpStream) -> std::io::Result<()>) -> SocketAddr {
    const PREFACE: usize = 24;
    fn frame_kind(stream: &mut TcpStream) -> std::io::Result<u8> {
        let mut head = [0; 9];
        stream.read_exact(&mut head)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        std::io::copy(&mut stream.take(u64::from(length)), &mut std::io::sink())?;
        Ok(head[3])
    }
    hostile_from(move |stream| {
        stream.read_exact(&mut [0; PREFACE])?;
        stream.write_all(&settings(&[]))?;
        while frame_kind(stream)? != HEADERS {}
        harm(stream)
    })
}

fn begin_answer(stream: &mut TcpStream, on: u32) -> std::io::Result<()> {
    stream.write_all(&frame(HEADERS, END_HEADERS, on, &block(&[(":status", "200")])))
}

#[test]
fn http2_targets_that_mean_harm_harm_only_themselves() {
    const COUNT: u64 = 4;
    let store = TestStore::sqlite();
    store.write(&requests(COUNT));
    let well = Origin::start();
    let garbage = hostile_from(|stream| {
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")?;
        // Closed with something unread, the connection would be reset, and what was written lost.
        std::io::copy(stream, &mut std::io::sink()).map(drop)
    });
    let silent = hostile_from(|stream| std::io::copy(stream, &mut std::io::sink()).map(drop));
    let half = hostile_http2(|stream| {
        begin_answer(stream, 1)?;
        stream.write_all(&frame(DATA, 0, 1, b"half"))
    });
    let endless = hostile_http2(|stream| {
        stream.write_all(&frame(HEADERS, 0, 1, &block(&[(":status", "200")])))?;
        loop {
            stream.write_all(&frame(CONTINUATION, 0, 1, &block(&[("x-more", "and more and more")])))?;
        }
    });
    let stray = hostile_http2(|stream| {
        begin_answer(stream, 7)?;
        std::io::copy(stream, &mut std::io::sink()).map(drop)
    });
    let drip = hostile_http2(|stream| {
        begin_answer(stream, 1)?;
        stream.set_read_timeout(Some(Duration::from_millis(200)))?;
        loop {
            stream.write_all(&frame(DATA, 0, 1, b"x"))?;
            match stream.read(&mut [0; 4096]) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    });
    let targets = [
        ("garbage", garbage, "protocol"),
        ("silent", silent, "connect"),
        ("half", half, "broken"),
        ("endless", endless, "protocol"),
        ("stray", stray, "protocol"),
        ("drip", drip, "timeout"),
    ];
    let urls: Vec<_> = targets.iter().map(|(name, to, _)| format!("{name}=h2c://{to}")).collect();
    let well_url = format!("well={}", well.url());
    let mut flags = vec!["--target", well_url.as_str(), "--rate", "5/s", "--timeout", "1s"];
    urls.iter().for_each(|url| flags.extend(["--target", url.as_str()]));
    let report = replay(&store, &flags);
    assert_eq!(report.targets[0].ledger.state("answered"), COUNT, "{}", report.targets[0].ledger);
    for ((_, _, kind), report) in targets.iter().zip(&report.targets[1..]) {
        failed(report, kind, "");
    }
}
