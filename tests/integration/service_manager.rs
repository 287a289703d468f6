//! Under systemd: told when it is ready, stopping and alive (sd_notify(3)), and given sockets that outlive the process
//! (sd_listen_fds(3)).

use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use tempfile::TempDir;
use umbra_tests::hammer::Hammer;
use umbra_tests::ports::Refusing;
use umbra_tests::receiver::Receiver;
use umbra_tests::stores::TestStore;
use umbra_tests::wait::{DEADLINE, eventually};
use umbra_tests::wire;

use crate::programs::{assert_refused, recorder_activated};
use crate::running::Running;

const ANYWHERE: [&str; 4] = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

/// The socket that systemd listens to.
struct Manager {
    socket: UnixDatagram,
    path: PathBuf,
    _directory: TempDir,
}

impl Manager {
    fn listen() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        Self { socket, path, _directory: directory }
    }

    fn path(&self) -> &str {
        self.path.to_str().unwrap()
    }

    /// The next message: its lines.
    fn hears(&self) -> Vec<String> {
        let mut buffer = [0; 4096];
        let n = self.socket.recv(&mut buffer).expect("a message to the service manager");
        String::from_utf8_lossy(&buffer[..n]).lines().map(ToOwned::to_owned).collect()
    }
}

#[test]
fn the_service_manager_hears_of_the_start_and_of_the_drain() {
    let (origin, store, manager) = (Receiver::start(), TestStore::sqlite(), Manager::listen());
    let upstream = origin.url();
    let flags = [&ANYWHERE[..], &["--drain-timeout", "7s", "--store", store.url(), "--upstream", &upstream]].concat();
    let recorder = Running::start_in(&[("NOTIFY_SOCKET", manager.path())], &flags);
    let ready = manager.hears();
    assert_eq!(ready[0], "READY=1");
    let serving = format!("STATUS=listening on {}", recorder.addr());
    assert!(ready[1].starts_with(&serving), "{ready:?}");
    assert_eq!(wire::exchange(recorder.addr(), GET).status(), 200);
    recorder.signal("TERM");
    let stopping = manager.hears();
    // The drain's own limit, and what the store may take on top.
    assert_eq!(stopping, ["STOPPING=1", "STATUS=draining, at most 7s", "EXTEND_TIMEOUT_USEC=12000000"]);
    recorder.finish().expect(0);
    manager.socket.set_nonblocking(true).unwrap();
    assert!(manager.socket.recv(&mut [0; 1]).is_err(), "a watchdog that nobody asked for is fed");
}

#[test]
fn the_watchdog_is_fed_only_while_the_workers_turn() {
    let (origin, store, manager) = (Receiver::start(), TestStore::sqlite(), Manager::listen());
    let upstream = origin.url();
    let flags = [&ANYWHERE[..], &["--store", store.url(), "--upstream", &upstream]].concat();
    let environment = [("NOTIFY_SOCKET", manager.path()), ("WATCHDOG_USEC", "200000")];
    let recorder = Running::start_in(&environment, &flags);
    assert_eq!(manager.hears()[0], "READY=1");
    for _ in 0..3 {
        assert_eq!(manager.hears(), ["WATCHDOG=1"]);
    }
    recorder.signal("TERM");
    eventually("the drain", || manager.hears()[0] == "STOPPING=1");
    recorder.finish().expect(0);
}

#[test]
fn a_manager_that_is_not_there_changes_nothing() {
    let (origin, store) = (Receiver::start(), TestStore::sqlite());
    let upstream = origin.url();
    let flags = [&ANYWHERE[..], &["--store", store.url(), "--upstream", &upstream]].concat();
    let recorder = Running::start_in(&[("NOTIFY_SOCKET", "/nowhere/notify")], &flags);
    assert_eq!(wire::exchange(recorder.addr(), GET).status(), 200);
    recorder.signal("TERM");
    assert!(recorder.finish().expect(0).stderr.contains("cannot tell the service manager"));
}

#[test]
fn sockets_are_taken_by_name_and_the_address_of_the_flag_is_left_alone() {
    let (origin, store) = (Receiver::start(), TestStore::sqlite());
    let (clients, admin) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    // These cannot be bound: whoever tried to would fail.
    let held = Refusing::new();
    let taken = held.addr().to_string();
    let flags = ["--listen", "192.0.2.1:1", "--admin", &taken, "--workers", "2"];
    let upstream = origin.url();
    let flags = [&flags[..], &["--store", store.url(), "--upstream", &upstream]].concat();
    let sockets = [("admin", &admin), ("umbra-recorder.socket", &clients)];
    let recorder = Running::of(recorder_activated(&[], &flags, &sockets));
    assert_eq!(recorder.addr(), clients.local_addr().unwrap());
    assert_eq!(recorder.admin_addr(), admin.local_addr().unwrap());
    for _ in 0..20 {
        assert_eq!(wire::exchange(recorder.addr(), GET).status(), 200);
    }
    assert_eq!(recorder.status()["ledger"]["seen"], 20);
    recorder.signal("TERM");
    recorder.finish().expect(0);
}

#[test]
fn restarts_behind_a_socket_of_systemd_fail_no_new_connection() {
    const RESTARTS: usize = 5;
    let (origin, store) = (Receiver::start(), TestStore::sqlite());
    let clients = TcpListener::bind("127.0.0.1:0").unwrap();
    let start = || {
        let flags = ["--admin", "127.0.0.1:0", "--workers", "2", "--store", store.url(), "--upstream", &origin.url()];
        Running::of(recorder_activated(&[], &flags, &[("umbra-recorder.socket", &clients)]))
    };
    let mut recorder = start();
    let hammer = Hammer::start(clients.local_addr().unwrap(), 4);
    for _ in 0..RESTARTS {
        let before = hammer.answered();
        eventually("traffic", || hammer.answered() > before + 20);
        // One after the other, as systemd restarts: in between nobody serves, and clients wait.
        recorder.signal("TERM");
        recorder.finish().expect(0);
        recorder = start();
    }
    let answered = hammer.stop();
    recorder.signal("TERM");
    recorder.finish().expect(0);
    assert_eq!((origin.count(), store.exchanges().len()), (answered, answered));
}

#[test]
fn sockets_that_cannot_be_used_are_refused() {
    let store = TestStore::sqlite();
    let flags = ["--admin", "127.0.0.1:0", "--store", store.url(), "--upstream", "http://127.0.0.1:1"];
    let clients = TcpListener::bind("127.0.0.1:0").unwrap();
    let open = TcpListener::bind("0.0.0.0:0").unwrap();
    assert_refused(recorder_activated(&[], &flags, &[("admin", &open)]), 2, &["admin socket 0.0.0.0", "--admin-token"]);
    // More names than sockets.
    let process = recorder_activated(&[], &flags, &[("a:b", &clients)]);
    assert_refused(process, 2, &["LISTEN_FDNAMES", "systemd"]);
}
