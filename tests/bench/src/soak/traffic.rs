//! The traffic of a soak: each kind on a thread of its own, at a pace that leaves the machine some room.

use std::fmt;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::Duration;

use anyhow::anyhow;
use umbra_tests::flood;

use crate::load::{Load, Loader};
use crate::stop::Stop;

const GETS_A_SECOND: u32 = 1500;
const LARGE: u64 = 32 << 20;
const PATIENCE: Duration = Duration::from_secs(10);

/// What has been sent.
#[derive(Debug, Default)]
struct Counts {
    ended: AtomicBool,
    posts: AtomicU64,
    large: AtomicU64,
    aborted: AtomicU64,
}

/// All of it, until it is ended.
#[derive(Debug)]
pub(super) struct Traffic {
    counts: Arc<Counts>,
    posts: Vec<JoinHandle<()>>,
    loads: Vec<JoinHandle<anyhow::Result<u64>>>,
}

impl Traffic {
    pub(super) fn start(to: SocketAddr, h2load: &Loader, time: Duration, dir: &Path, stop: &Stop) -> Self {
        let counts = Arc::<Counts>::default();
        let seconds = u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
        let load = |http2: bool| {
            let (h2load, stop, dir) = (h2load.clone(), stop.clone(), dir.join(format!("http2-{http2}")));
            std::thread::spawn(move || {
                std::fs::create_dir_all(&dir)?;
                let load = Load { concurrency: 32, seconds };
                let result = h2load.run_paced(GETS_A_SECOND, http2, to, load, &dir, &stop)?;
                Ok(result)
            })
        };
        let loads = vec![load(false), load(true)];
        let repeat = |pause: Duration, one: fn(SocketAddr, &Counts) -> std::io::Result<()>| {
            let counts = Arc::clone(&counts);
            std::thread::spawn(move || {
                while !counts.ended.load(Ordering::Relaxed) {
                    // What fails is not counted, and tried again after the pause.
                    let _ = one(to, &counts);
                    sleep(pause);
                }
            })
        };
        let posts = vec![
            repeat(Duration::from_millis(5), posts),
            repeat(Duration::from_millis(500), large),
            repeat(Duration::from_millis(10), aborted),
        ];
        Self { counts, posts, loads }
    }

    /// Ends it, and says what it was.
    pub(super) fn end(self) -> anyhow::Result<impl fmt::Display> {
        self.counts.ended.store(true, Ordering::Relaxed);
        let panicked = |_| anyhow!("a part of the traffic panicked");
        self.posts.into_iter().try_for_each(|thread| thread.join().map_err(panicked))?;
        let mut gets = Vec::new();
        for thread in self.loads {
            gets.push(thread.join().map_err(panicked)??);
        }
        let count = |of: &AtomicU64| of.load(Ordering::Relaxed);
        let Counts { posts, large, aborted, .. } = &*self.counts;
        Ok(format!(
            "{} GETs by HTTP/1.1, {} by HTTP/2, {} POSTs of 1 to 64 KiB, {} bodies of 32 MiB, {} requests broken off.",
            gets.first().unwrap_or(&0),
            gets.get(1).unwrap_or(&0),
            count(posts),
            count(large),
            count(aborted)
        ))
    }
}

fn connect(to: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&to, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Some POSTs on one connection, of growing size.
fn posts(to: SocketAddr, counts: &Counts) -> std::io::Result<()> {
    let mut stream = connect(to)?;
    for size in [1 << 10, 2 << 10, 8 << 10, 64 << 10] {
        write!(stream, "POST /post HTTP/1.1\r\nhost: soak\r\ncontent-length: {size}\r\n\r\n")?;
        stream.write_all(&vec![b'x'; size])?;
        // The answer is the size as text: a head and some digits.
        let (mut said, mut buffer) = (Vec::new(), [0; 1024]);
        let whole = |said: &[u8]| said.ends_with(size.to_string().as_bytes());
        while !whole(&said) {
            match stream.read(&mut buffer)? {
                0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                n => said.extend_from_slice(&buffer[..n]),
            }
        }
        counts.posts.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// A large body each way.
fn large(to: SocketAddr, counts: &Counts) -> std::io::Result<()> {
    flood::upload(to, LARGE);
    flood::download(to, LARGE);
    counts.large.fetch_add(2, Ordering::Relaxed);
    Ok(())
}

/// A request that its client leaves: in its body, and then in the response.
fn aborted(to: SocketAddr, counts: &Counts) -> std::io::Result<()> {
    let mut stream = connect(to)?;
    stream.write_all(b"POST /left HTTP/1.1\r\nhost: soak\r\ncontent-length: 100000\r\n\r\nonly this")?;
    drop(stream);
    let mut stream = connect(to)?;
    stream.write_all(b"GET /10000000 HTTP/1.1\r\nhost: soak\r\n\r\n")?;
    let _ = stream.read(&mut [0; 1000])?;
    counts.aborted.fetch_add(2, Ordering::Relaxed);
    Ok(())
}
