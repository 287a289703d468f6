//! The names of a response's fields reach an HTTP/1 client in the letters in which the origin wrote them.

use crate::harness::{Bench, Origin, Wire};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// Answers each request with these bytes.
fn origin(answer: impl Into<Vec<u8>>) -> Origin {
    let answer = answer.into();
    Origin::run(move |mut wire| {
        while wire.more() {
            wire.raw_head();
            wire.send(&answer);
        }
    })
}

/// The names of a head's fields, in their order.
fn names(head: &str) -> Vec<&str> {
    head.lines().skip(1).filter_map(|line| Some(line.split_once(':')?.0)).collect()
}

fn asked(client: &mut Wire, request: &str) -> String {
    client.send(request);
    client.head()
}

#[test]
fn names_keep_their_letters_with_bodies_of_every_kind() {
    let fields = "Server: x\r\nX-ODD-name: 1\r\nset-COOKIE: a\r\nETag: \"A: b\"\r\nSet-Cookie: b\r\nDate: d\r\n";
    let wanted = ["Server", "X-ODD-name", "set-COOKIE", "Set-Cookie", "ETag", "Date"];
    let large = "x".repeat(300 << 10);
    for (framing, body) in [
        ("Content-Length: 4\r\n", "body"),
        ("Content-length: 0\r\n", ""),
        ("Transfer-encoding: chunked\r\n", "4\r\nbody\r\n0\r\n\r\n"),
        ("Content-Length: 307200\r\n", large.as_str()),
    ] {
        let bench = Bench::before(&origin(format!("HTTP/1.1 200 OK\r\n{fields}{framing}\r\n{body}")), &[]);
        let mut client = bench.client();
        for _ in 0..3 {
            let head = asked(&mut client, GET);
            let names = names(&head);
            let framing = framing.split(':').next().unwrap();
            assert!(wanted.iter().chain([&framing]).all(|n| names.contains(n)), "{head}");
            assert_eq!(names.len(), wanted.len() + 1, "{head}");
            let cookies: Vec<_> = names.iter().filter(|n| n.eq_ignore_ascii_case("set-cookie")).collect();
            assert_eq!(cookies, [&"set-COOKIE", &"Set-Cookie"]);
            assert!(head.contains("\r\nETag: \"A: b\"\r\n"), "{head}");
            if framing.starts_with('C') {
                assert_eq!(client.exactly(body.len()), body.as_bytes());
            } else {
                assert_eq!(client.read_until("0\r\n\r\n"), body);
            }
        }
    }
}

#[test]
fn names_keep_their_letters_where_there_is_no_body() {
    for (request, answer) in [
        ("HEAD", "200 OK\r\nContent-Length: 4"),
        ("GET", "304 Not Modified\r\nETAG: 1"),
        ("GET", "204 No Content\r\nX: y"),
    ] {
        let bench = Bench::before(&origin(format!("HTTP/1.1 {answer}\r\nX-A: 1\r\n\r\n")), &[]);
        let mut client = bench.client();
        for _ in 0..2 {
            let head = asked(&mut client, &GET.replace("GET", request));
            assert!(head.starts_with(&format!("HTTP/1.1 {answer}\r\nX-A: 1\r\n")), "{head}");
        }
    }
}

#[test]
fn names_keep_their_letters_however_their_head_comes() {
    let answer = "HTTP/1.1 200 OK\r\nX-Long: 1\r\nContent-Length: 2\r\nY-Long: 2\r\n\r\nok";
    let origin = Origin::run(move |mut wire| {
        while wire.more() {
            wire.raw_head();
            for byte in answer.as_bytes() {
                wire.send([*byte]);
            }
        }
    });
    let bench = Bench::before(&origin, &[]);
    let mut client = bench.client();
    for _ in 0..2 {
        let head = asked(&mut client, GET);
        assert_eq!(names(&head), ["X-Long", "Content-Length", "Y-Long", "date"]);
        assert_eq!(client.read_until("ok"), "ok");
    }
}

#[test]
fn each_of_several_answers_has_its_own_letters() {
    let origin = Origin::run(|mut wire| {
        while wire.more() {
            let head = wire.head();
            let n = head.split(['/', ' ']).nth(2).unwrap();
            let name = if n.parse::<u32>().unwrap().is_multiple_of(2) { "X-Number" } else { "x-nUMBER" };
            wire.send("HTTP/1.1 103 Early Hints\r\nX-NUMBER: 0\r\n\r\n");
            wire.send(format!("HTTP/1.1 200 OK\r\n{name}: {n}\r\nDate: d\r\nCONTENT-length: 0\r\n\r\n"));
        }
    });
    let bench = Bench::before(&origin, &[]);
    // Sent at once, and all of them before anything is read: answers wait for their client behind each other.
    let mut client = bench.client();
    let requests: String = (0..200).map(|n| GET.replace("/ ", &format!("/{n} "))).collect();
    client.send(requests);
    for n in 0..200 {
        let mut head = client.head();
        while head.starts_with("HTTP/1.1 103 ") {
            head = client.head();
        }
        let name = if n % 2 == 0 { "X-Number" } else { "x-nUMBER" };
        assert!(head.ends_with(&format!("\r\n{name}: {n}\r\nDate: d\r\nCONTENT-length: 0\r\n\r\n")), "{head}");
    }
}

#[test]
fn answers_that_a_client_does_not_take_yet_have_each_its_own_letters() {
    // More than the kernel holds, without bodies: heads wait behind heads.
    const ANSWERS: usize = 300;
    let fields = |n: usize| -> String {
        let name = if n.is_multiple_of(2) { "X-Name" } else { "x-nAME" };
        (0..40).map(|at| format!("{name}-{at}: {}\r\n", "v".repeat(1000))).collect()
    };
    let answer = move |n| format!("HTTP/1.1 204 No Content\r\n{}Date: {n}\r\n\r\n", fields(n));
    let origin = Origin::run(move |mut wire| {
        while wire.more() {
            let head = wire.head();
            wire.send(answer(head.split(['/', ' ']).nth(2).unwrap().parse().unwrap()));
        }
    });
    let bench = Bench::before(&origin, &[]);
    let mut client = bench.client();
    client.send((0..ANSWERS).map(|n| GET.replace("/ ", &format!("/{n} "))).collect::<String>());
    assert!(!client.is_silent());
    for n in 0..ANSWERS {
        let head = client.head();
        assert!(head == answer(n), "{n}: {}", &head[..head.len().min(200)]);
    }
}

#[test]
fn answers_of_the_recorder_between_those_of_the_origin_have_their_own_letters() {
    let origin = Origin::run(|mut wire| {
        wire.head();
        wire.send("HTTP/1.1 200 OK\r\nContent-Type: x\r\nDate: d\r\nContent-Length: 0\r\n\r\n");
        // The next request finds it closed, and the one behind it a new connection.
        wire.more();
    });
    let bench = Bench::before(&origin, &[]);
    let mut client = bench.client();
    assert!(asked(&mut client, GET).contains("\r\nContent-Type: x\r\n"));
    let broken = asked(&mut client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx");
    assert!(broken.starts_with("HTTP/1.1 502 ") && broken.contains("\r\ncontent-type: "), "{broken}");
    client.read_until("no answer\n");
    assert!(asked(&mut client, GET).contains("\r\nContent-Type: x\r\n"));
}

#[test]
fn a_head_with_many_fields_keeps_the_letters_of_all() {
    let fields: String = (0..90).map(|n| format!("X-Field-{n}: {}\r\n", "v".repeat(500))).collect();
    let answer = format!("HTTP/1.1 200 OK\r\n{fields}Date: d\r\nContent-Length: 0\r\n\r\n");
    let bench = Bench::before(&origin(answer.clone()), &[]);
    let mut client = bench.client();
    for _ in 0..2 {
        assert_eq!(asked(&mut client, GET), answer);
    }
}

#[test]
fn a_continue_before_the_answer_has_no_letters_of_it() {
    let origin = Origin::run(|mut wire| {
        wire.head();
        wire.send("HTTP/1.1 100 Continue\r\nX-a: 1\r\n\r\n");
        assert_eq!(wire.read_until("!"), "body!");
        wire.send("HTTP/1.1 200 OK\r\nX-A: 1\r\nDate: d\r\nContent-Length: 0\r\n\r\n");
    });
    let bench = Bench::before(&origin, &[]);
    let mut client = bench.client();
    client.send("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    assert_eq!(client.head(), "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("body!");
    assert_eq!(client.head(), "HTTP/1.1 200 OK\r\nX-A: 1\r\nDate: d\r\nContent-Length: 0\r\n\r\n");
}

#[test]
fn lines_may_end_without_a_carriage_return() {
    let bench = Bench::before(&origin("HTTP/1.1 200 OK\nX-A: 1\nContent-Length: 4\nDate: d\n\n\r\n\r\n"), &[]);
    let mut client = bench.client();
    for _ in 0..2 {
        assert_eq!(names(&asked(&mut client, GET)), ["X-A", "Content-Length", "Date"]);
        assert_eq!(client.exactly(4), b"\r\n\r\n");
    }
}

#[test]
fn an_http_2_client_gets_names_in_small_letters() {
    let bench = Bench::before(&origin("HTTP/1.1 200 OK\r\nX-ODD: 1\r\nContent-Length: 0\r\n\r\n"), &[]);
    let url = format!("http://{}/", bench.recorder.addr());
    let curl =
        std::process::Command::new("curl").args(["-sS", "--http2-prior-knowledge", "-D", "-", &url]).output().unwrap();
    let head = String::from_utf8(curl.stdout).unwrap();
    assert!(head.starts_with("HTTP/2 200") && head.contains("\nx-odd: 1\r\n"), "{head}");
}
