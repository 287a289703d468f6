//! The strict edge by HTTP/2, frame by frame: the counterpart of each row that has one.

use umbra_tests::frames::{END_HEADERS, END_STREAM, Frame, FrameClient, PREFACE, block, frame, get, kind, settings};
use umbra_tests::origin::Origin;
use umbra_tests::recorder::TestRecorder;
use umbra_tests::stores::TestStore;
use umbra_tests::wait::eventually;

use super::{counted, ended, refused};

const HEADERS_WHOLE: u8 = END_HEADERS | END_STREAM;

/// What the client is told, and by which metric it is counted.
#[derive(Clone, Copy, Debug)]
enum Told {
    /// A response with this status; refused for this reason.
    Status(u16, &'static str),
    /// The stream is reset with this error.
    Reset(&'static str),
    /// The connection is ended with this error.
    Goaway(&'static str),
}

/// RFC 9113, 7.
const CODES: [&str; 12] = [
    "no_error",
    "protocol_error",
    "internal_error",
    "flow_control_error",
    "settings_timeout",
    "stream_closed",
    "frame_size_error",
    "refused_stream",
    "cancel",
    "compression_error",
    "connect_error",
    "enhance_your_calm",
];

impl Told {
    fn metric(self) -> String {
        match self {
            Self::Status(_, reason) => refused(reason),
            Self::Reset(code) => format!("umbra_recorder_http2_stream_errors_total{{code=\"{code}\"}}"),
            Self::Goaway(code) => format!("umbra_recorder_http2_connection_errors_total{{code=\"{code}\"}}"),
        }
    }

    fn is(self, frame: &Frame) -> bool {
        match self {
            Self::Status(status, _) => frame.kind == kind::HEADERS && frame.status() == status,
            Self::Reset(code) => frame.kind == kind::RST_STREAM && CODES[frame.error() as usize] == code,
            Self::Goaway(code) => frame.kind == kind::GOAWAY && CODES[frame.error() as usize] == code,
        }
    }
}

/// Sends each on a connection of its own: its client is told, it is counted, and nothing has reached the origin.
fn refuses(rows: &[(&str, Told, Vec<u8>)], flags: &[&str]) {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &origin.url(), flags);
    let mut otherwise = Vec::new();
    for (name, told, bytes) in rows {
        let before = recorder.metric(&told.metric());
        let mut client = FrameClient::connect(recorder.addr());
        client.send(bytes);
        let outcome = client.outcome();
        if !told.is(&outcome) {
            otherwise.push(format!("{name}: {told:?} was to come, not {outcome:?}"));
            continue;
        }
        let counted = || recorder.metric(&told.metric()) - before;
        eventually(&format!("{name} counted as {told:?}"), || counted() >= 1);
        assert_eq!(counted(), 1, "{name}");
        if !matches!(told, Told::Goaway(_)) {
            // The other streams of the connection go on: here, one that is refused for another reason.
            client.send(frame(kind::HEADERS, HEADERS_WHOLE, 101, &block(&get("*", &[]))));
            let other = client.outcome();
            assert_eq!((other.kind, other.stream), (kind::HEADERS, 101), "{name}");
        }
        assert_eq!(origin.bodies_read(), 0, "{name}: it reached the origin");
    }
    assert_eq!(otherwise, Vec::<String>::new());
    assert_eq!(origin.begun(), 0);
    recorder.drain();
}

/// A request without a body, with these fields.
fn request(fields: &[(&str, &str)]) -> Vec<u8> {
    frame(kind::HEADERS, HEADERS_WHOLE, 1, &block(fields))
}

/// An ordinary request with further fields.
fn with(more: &[(&str, &str)]) -> Vec<u8> {
    request(&get("/", more))
}

const METHOD: (&str, &str) = (":method", "GET");
const SCHEME: (&str, &str) = (":scheme", "http");
const HOST: (&str, &str) = (":authority", "a");
const PATH: (&str, &str) = (":path", "/");

const MALFORMED: Told = Told::Reset("protocol_error");
const VIOLATION: Told = Told::Goaway("protocol_error");

#[test]
fn a_host_is_exactly_one_authority() {
    let none = [METHOD, SCHEME, PATH];
    let host = |host: &'static str| request(&[&none[..], &[("host", host)]].concat());
    let authority = |host: &'static str| request(&[&none[..], &[(":authority", host)]].concat());
    refuses(
        &[
            ("none", Told::Status(400, "no_host"), request(&none)),
            ("host against :authority", Told::Status(400, "host_mismatch"), with(&[("host", "b")])),
            ("two hosts", Told::Status(400, "many_hosts"), with(&[("host", "a"), ("host", "a")])),
            ("an empty host", Told::Status(400, "bad_host"), host("")),
            ("a host that is a list", Told::Status(400, "bad_host"), host("a, b")),
            ("a host with a path", Told::Status(400, "bad_host"), host("a/b")),
            ("an :authority with a user", Told::Status(400, "bad_host"), authority("u@a")),
            ("an :authority with a port that is none", Told::Status(400, "bad_host"), authority("a:99999")),
            ("an :authority with a space", MALFORMED, authority("a b")),
            ("two :authority", MALFORMED, with(&[HOST])),
        ],
        &[],
    );
}

#[test]
fn what_is_for_one_connection_of_http1_has_no_place() {
    refuses(
        &[
            ("connection", MALFORMED, with(&[("connection", "close")])),
            ("keep-alive", MALFORMED, with(&[("keep-alive", "9")])),
            ("proxy-connection", MALFORMED, with(&[("proxy-connection", "keep-alive")])),
            ("transfer-encoding", MALFORMED, with(&[("transfer-encoding", "chunked")])),
            ("upgrade", MALFORMED, with(&[("upgrade", "websocket")])),
            ("te other than trailers", MALFORMED, with(&[("te", "gzip")])),
            ("te with more than trailers", MALFORMED, with(&[("te", "trailers, gzip")])),
        ],
        &[],
    );
}

#[test]
fn a_body_has_one_length() {
    let post = |fields: &[(&str, &str)], data: &[u8]| {
        let all = [&[(":method", "POST"), SCHEME, HOST, PATH], fields].concat();
        [frame(kind::HEADERS, END_HEADERS, 1, &block(&all)), frame(kind::DATA, END_STREAM, 1, data)].concat()
    };
    let length = |value: &'static str| post(&[("content-length", value)], b"abc");
    refuses(
        &[
            ("a length with a sign", MALFORMED, length("+3")),
            ("a hexadecimal length", MALFORMED, length("0x3")),
            ("a list of lengths", MALFORMED, length("3, 3")),
            ("an empty length", MALFORMED, length("")),
            ("less data than that", MALFORMED, length("4")),
            ("more data than that", MALFORMED, length("2")),
            ("two lengths", MALFORMED, post(&[("content-length", "3"), ("content-length", "4")], b"abc")),
            (
                "two equal lengths",
                Told::Status(400, "content_length"),
                post(&[("content-length", "3"), ("content-length", "3")], b"abc"),
            ),
            ("no data at all", MALFORMED, with(&[("content-length", "3")])),
        ],
        &[],
    );
}

#[test]
fn fields_are_names_and_values() {
    refuses(
        &[
            ("an upper-case name", VIOLATION, with(&[("X-A", "1")])),
            ("a space in a name", VIOLATION, with(&[("x a", "1")])),
            ("a colon in a name", VIOLATION, with(&[("x:a", "1")])),
            ("an empty name", VIOLATION, with(&[("", "1")])),
            ("NUL in a value", VIOLATION, with(&[("x", "a\0b")])),
            ("CR in a value", VIOLATION, with(&[("x", "a\rb")])),
            ("LF in a value", VIOLATION, with(&[("x", "a\nb")])),
            ("a space before a value", Told::Status(400, "field"), with(&[("x", " a")])),
            ("a tab behind a value", Told::Status(400, "field"), with(&[("x", "a\t")])),
        ],
        &[],
    );
}

#[test]
fn pseudo_fields_are_each_there_once_and_first() {
    refuses(
        &[
            ("no :method", MALFORMED, request(&[SCHEME, HOST, PATH])),
            ("no :path", MALFORMED, request(&[METHOD, SCHEME, HOST])),
            ("no :scheme", MALFORMED, request(&[METHOD, HOST, PATH])),
            ("two :path", MALFORMED, with(&[PATH])),
            ("an empty :path", MALFORMED, request(&[METHOD, SCHEME, HOST, (":path", "")])),
            ("an unknown one", VIOLATION, with(&[(":x", "1")])),
            ("a response's", MALFORMED, with(&[(":status", "200")])),
            ("one behind a field", MALFORMED, request(&[METHOD, SCHEME, HOST, ("x", "1"), PATH])),
            ("a :method that is no token", VIOLATION, request(&[(":method", "G T"), SCHEME, HOST, PATH])),
        ],
        &[],
    );
}

#[test]
fn a_target_fits_its_method() {
    let path = |path: &'static str| request(&get(path, &[]));
    refuses(
        &[
            ("GET *", Told::Status(400, "asterisk"), path("*")),
            ("no slash", MALFORMED, path("a")),
            ("CONNECT", Told::Status(405, "connect"), request(&[(":method", "CONNECT"), HOST])),
            ("another scheme", Told::Status(400, "target_form"), request(&[METHOD, (":scheme", "ftp"), HOST, PATH])),
            ("a space", MALFORMED, path("/a b")),
        ],
        &[],
    );
}

#[test]
fn heads_and_targets_have_limits() {
    let long = "t".repeat(2 << 10);
    let many: Vec<_> = (0..9).map(|_| ("x", "1")).collect();
    let large = "v".repeat(3 << 10);
    let flags = ["--max-header-size", "3KiB", "--max-headers", "8", "--max-target", "1KiB"];
    refuses(
        &[
            (
                "a target that is too long",
                Told::Status(414, "target_too_long"),
                request(&get(&format!("/{long}"), &[])),
            ),
            ("too many fields", Told::Status(431, "too_many_fields"), with(&many)),
            ("a head that is too large", Told::Status(431, "head_too_large"), with(&[("x", &large)])),
        ],
        &flags,
    );
}

/// A connection on which one ordinary request has been sent, and its body has not.
fn posted() -> Vec<u8> {
    frame(kind::HEADERS, END_HEADERS, 1, &block(&[(":method", "POST"), SCHEME, HOST, PATH]))
}

#[test]
fn frames_are_in_their_places() {
    let head = || block(&get("/", &[]));
    let open = |stream| frame(kind::HEADERS, HEADERS_WHOLE, stream, &head());
    let size = Told::Goaway("frame_size_error");
    refuses(
        &[
            ("a stream that only a server opens", VIOLATION, open(2)),
            ("a request on the connection itself", VIOLATION, open(0)),
            ("data on a stream that is not open", VIOLATION, frame(kind::DATA, 0, 1, b"abc")),
            ("a reset of a stream that is not open", VIOLATION, frame(kind::RST_STREAM, 0, 1, &[0; 4])),
            ("a promise", VIOLATION, frame(kind::PUSH_PROMISE, END_HEADERS, 1, &[&[0, 0, 0, 2][..], &head()].concat())),
            ("CONTINUATION of nothing", VIOLATION, frame(kind::CONTINUATION, END_HEADERS, 1, &head())),
            (
                "a frame inside of a header block",
                VIOLATION,
                [frame(kind::HEADERS, 0, 1, &head()), frame(kind::PING, 0, 0, &[0; 8])].concat(),
            ),
            (
                "CONTINUATION of another stream",
                VIOLATION,
                [frame(kind::HEADERS, 0, 1, &head()), frame(kind::CONTINUATION, END_HEADERS, 3, b"")].concat(),
            ),
            ("a PING of seven bytes", VIOLATION, frame(kind::PING, 0, 0, &[0; 7])),
            ("SETTINGS of five bytes", VIOLATION, frame(kind::SETTINGS, 0, 0, &[0; 5])),
            ("a frame that is too large", size, frame(kind::DATA, 0, 1, &vec![0; 20 << 10])),
            ("SETTINGS on a stream", VIOLATION, frame(kind::SETTINGS, 0, 1, &[])),
            ("a window that does not grow", VIOLATION, frame(kind::WINDOW_UPDATE, 0, 0, &[0; 4])),
            (
                "a window beyond 31 bits",
                Told::Goaway("flow_control_error"),
                frame(kind::WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]),
            ),
            ("an initial window beyond 31 bits", VIOLATION, settings(&[(4, 1 << 31)])),
            ("ENABLE_PUSH of 2", VIOLATION, settings(&[(2, 2)])),
            ("a header block that is none", VIOLATION, frame(kind::HEADERS, 5, 1, &[0xff; 9])),
        ],
        &[],
    );
}

#[test]
fn streams_go_up_and_are_not_used_again() {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &origin.url(), &[]);
    for (name, next) in [("a lower stream", 3), ("the same stream again", 5)] {
        let mut client = FrameClient::connect(recorder.addr());
        client.get(5, "/");
        assert_eq!(client.until(kind::HEADERS).status(), 200);
        client.get(next, "/");
        let told = client.until(kind::GOAWAY);
        assert!(matches!(CODES[told.error() as usize], "protocol_error" | "stream_closed"), "{name}: {told:?}");
    }
    assert_eq!(origin.begun(), 2);
    recorder.drain();
}

#[test]
fn a_connection_has_so_many_streams() {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &origin.url(), &["--max-streams", "2"]);
    let mut client = FrameClient::connect(recorder.addr());
    client.send(posted());
    client.send(frame(kind::HEADERS, END_HEADERS, 3, &block(&[(":method", "POST"), SCHEME, HOST, PATH])));
    client.get(5, "/");
    let reset = client.until(kind::RST_STREAM);
    assert_eq!((reset.stream, CODES[reset.error() as usize]), (5, "refused_stream"));
    let counted = "umbra_recorder_http2_stream_errors_total{code=\"refused_stream\"}";
    eventually("it is counted", || recorder.metric(counted) == 1);
    // One that ends makes room.
    client.send(frame(kind::DATA, END_STREAM, 1, b"abc"));
    let mut answer = client.until(kind::HEADERS);
    assert_eq!(answer.status(), 200);
    // A stream counts until its last frame.
    while answer.flags & END_STREAM == 0 {
        answer = client.until(kind::DATA);
    }
    client.get(7, "/");
    assert_eq!(client.until(kind::HEADERS).stream, 7);
    drop(client);
    recorder.drain();
}

#[test]
fn trailers_neither_frame_nor_route() {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &origin.url(), &[]);
    let mut client = FrameClient::connect(recorder.addr());
    let fields = [(":method", "POST"), SCHEME, HOST, PATH, ("trailer", "x-sum, host")];
    let trailers = [("content-length", "99"), ("host", "b"), ("authorization", "c"), ("x-sum", "1")];
    client.send(frame(kind::HEADERS, END_HEADERS, 1, &block(&fields)));
    client.send(frame(kind::DATA, 0, 1, b"abc"));
    client.send(frame(kind::HEADERS, HEADERS_WHOLE, 1, &block(&trailers)));
    assert_eq!(client.until(kind::HEADERS).status(), 200);
    assert_eq!(origin.only().body.trailers, [(b"x-sum".to_vec(), b"1".to_vec())]);
    // Nor do pseudo-fields.
    client.send(frame(kind::HEADERS, END_HEADERS, 3, &block(&fields)));
    client.send(frame(kind::HEADERS, HEADERS_WHOLE, 3, &block(&[(":authority", "b"), ("x-sum", "2")])));
    client.until(kind::HEADERS);
    let second = &origin.wait_for(2)[1];
    assert_eq!(second.body.trailers, [(b"x-sum".to_vec(), b"2".to_vec())]);
    assert_eq!(second.head.get("host"), "a");
    drop(client);
    recorder.drain();
}

#[test]
fn the_preface_is_followed_by_settings() {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &origin.url(), &[]);
    let mut client = FrameClient::bare(recorder.addr());
    client.send([PREFACE, &with(&[])].concat());
    assert_eq!(CODES[client.until(kind::GOAWAY).error() as usize], "protocol_error");
    counted(&recorder, &ended("no_settings"), 1);
    assert_eq!(origin.begun(), 0);
    recorder.drain();
}
