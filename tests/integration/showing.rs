//! `traffic show --output curl`: what it prints, run by a real shell, sends what was recorded.

use umbra_common::exchange::{Body, Exchange, HttpVersion};
use umbra_common::time::Timestamp;
use umbra_tests::exchanges::{get, post};
use umbra_tests::grpc::{Greeter, GrpcClient, hello};
use umbra_tests::origin::Origin;
use umbra_tests::process::{Finished, Process};
use umbra_tests::recorder::TestRecorder;
use umbra_tests::replayer::run;
use umbra_tests::stores::TestStore;

/// The command for an exchange.
fn command(store: &TestStore, exchange: &Exchange) -> String {
    let id = exchange.id.to_string();
    run(&["traffic", "show", &id, "--store", store.url(), "--output", "curl"]).1
}

/// Runs a command as a person does who puts it into a file: it may be longer than a word of a command line.
fn by_the_shell(store: &TestStore, command: &str) -> Finished {
    let script = store.directory().join("again.sh");
    std::fs::write(&script, command).unwrap();
    Process::start("sh", &[script.to_str().unwrap()], &[]).finish()
}

/// Stores a request as one to this origin and lets the shell send it; what the origin got, byte for byte.
fn sent_again(origin: &Origin, mut exchange: Exchange) -> (Exchange, umbra_tests::origin::Received) {
    let store = TestStore::sqlite();
    exchange.request.authority = origin.addr().to_string().into();
    store.write(std::slice::from_ref(&exchange));
    let before = origin.requests().len();
    let command = command(&store, &exchange);
    let ended = by_the_shell(&store, &command);
    assert_eq!(ended.status, Some(0), "{command}\n{}", ended.stderr);
    let received = origin.wait_for(before + 1);
    assert_eq!(received.len(), before + 1, "{command}");
    (exchange, received[before].clone())
}

#[test]
fn a_shell_sends_the_recorded_bytes_again() {
    let origin = Origin::start();
    let now = Timestamp::now();
    let mut odd = post(now, "/a/../b;c?x[]={1,2}&q=%00%ff&$HOME&`id`", b"it's \"$HOME\" `id` \\ %s @x\n\n");
    for value in
        [&b"it's"[..], b"\"$HOME\" `id` \\n", b"\xff\xc3 tab\there", b"-n", b"a;b", b"100% %s", b"!history", b"~"]
    {
        odd.request.headers.push("x-odd", value);
    }
    odd.request.headers.push("cookie", "a=1; b='2'");
    let all_bytes: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let mut bare = get(now, "/");
    bare.request.method = "PATCH".into();
    let exchanges = [
        odd,
        post(now, "/binary", &all_bytes),
        post(now, "/large", &b"0123456789 it's plain\n".repeat(20_000)),
        post(now, "/empty", b""),
        post(now, "/file", b"@/etc/passwd"),
        post(now, "/lines", b"\r\n\r\n\n"),
        bare,
        get(now, "*"),
        get(now, "http://elsewhere.example/absolute?x"),
        get(now, "/raw\"<>|^"),
    ];
    for exchange in exchanges {
        let (exchange, received) = sent_again(&origin, exchange);
        let request = &exchange.request;
        assert_eq!((received.head.method(), received.head.target()), (&request.method[..], &request.target[..]));
        assert_eq!(received.body.bytes, request.body.bytes, "{}", request.target.escape_ascii());
        let fields = received.head.fields().into_iter().filter(|(name, _)| !name.eq_ignore_ascii_case(b"host"));
        let mut fields: Vec<_> = fields.map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
        let mut recorded: Vec<_> =
            request.headers.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
        recorded.retain(|(name, _)| name != b"host");
        // Each field's values are in their order; curl puts its own content-length elsewhere.
        fields.sort_by(|a, b| a.0.cmp(&b.0));
        recorded.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(fields, recorded, "{}", request.target.escape_ascii());
    }
}

#[test]
fn a_command_that_cannot_send_everything_says_so() {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let mut cut = post(Timestamp::now(), "/cut", b"half");
    cut.request.authority = origin.addr().to_string().into();
    cut.request.body = Body { truncated: true, length: 9, ..Body::whole("half") };
    cut.request.trailers.push("x-sum", "1");
    store.write(std::slice::from_ref(&cut));
    let command = command(&store, &cut);
    for said in ["# incomplete: 4 of 9 bytes of the body were recorded\n", "# incomplete: curl sends no trailers"] {
        assert!(command.contains(said), "{command}");
    }
    by_the_shell(&store, &command).expect(0);
    assert_eq!(&origin.only().body.bytes[..], b"half", "the comments are ones for the shell too");
}

#[test]
fn a_grpc_call_is_sent_again_by_curl() {
    let (production, store) = (Greeter::start(), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &production.url(), &[]);
    // As named by its address: that is where the command goes.
    let authority = production.addr().to_string();
    let mut client = GrpcClient::connect(recorder.addr(), &authority);
    client.say_hello(tonic::Request::new(hello("Ann", 2))).unwrap();
    drop(client);
    recorder.drain();
    let exchange = store.exchanges().remove(0);
    assert_eq!(exchange.request.version, HttpVersion::Http2);
    let command = command(&store, &exchange);
    by_the_shell(&store, &command).expect(0);
    let calls = production.wait_for(2);
    assert_eq!((calls.len(), &calls[0].names), (2, &calls[1].names));
    assert_eq!(calls[0].headers.get("te"), calls[1].headers.get("te"));
    assert_eq!(calls[0].uri.path(), calls[1].uri.path());
}
