//! What came of a replay, for people and for programs: the page, the JSON document, the gates in a script.

use std::process::Command;

use umbra_common::time::Timestamp;
use umbra_replayer::ExitStatus;
use umbra_tests::exchanges::{get, post};
use umbra_tests::origin::{Answer, Origin};
use umbra_tests::replayer::run;
use umbra_tests::stores::TestStore;

use crate::programs::REPLAYER;

/// Five exchanges, and a target that fails one of them.
fn recorded() -> (TestStore, Origin) {
    let store = TestStore::sqlite();
    let at = |second: u64| Timestamp::now().before(std::time::Duration::from_secs(60 - second));
    let mut odd = post(at(3), "/odd?x=1&y='2'", b"it's <b>");
    odd.request.headers.push("authorization", "recorded");
    store.write(&[get(at(1), "/a"), get(at(2), "/b"), odd, get(at(4), "/fails"), get(at(5), "/c")]);
    let staging = Origin::with(|head| match head.target() {
        b"/fails" => Answer::status(503, &[], "no"),
        _ => Answer::ok("yes"),
    });
    (store, staging)
}

/// A tool that a test cannot do without.
#[track_caller]
fn tool(program: &str, arguments: &[&str], install: &str) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|e| panic!("{program} cannot be run ({e}): install {install}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_json_report_is_what_its_schema_says() {
    let (store, staging) = recorded();
    let file = store.directory().join("report.json").display().to_string();
    let target = format!("staging={}", staging.url());
    let profile = store.directory().join("profile.toml");
    std::fs::write(&profile, "[set-headers]\nx-a = 'b'\n[[carry]]\nfrom = 'header:x-no'\n").unwrap();
    let profile = profile.display().to_string();
    let (status, _) = run(&[
        "replay",
        "--store",
        store.url(),
        "--from",
        "-1h",
        "--target",
        &target,
        "--rate",
        "100/s",
        "--report",
        &file,
        "--profile",
        &profile,
    ]);
    assert_eq!(status, ExitStatus::Done);
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/../replayer/report.schema.json");
    let check = "import json, sys, jsonschema\n\
        schema, report = (json.load(open(name)) for name in sys.argv[1:])\n\
        jsonschema.Draft202012Validator.check_schema(schema)\n\
        jsonschema.Draft202012Validator(schema).validate(report)\n\
        known, there = schema['$defs']['target']['properties'].keys(), report['targets'][0].keys()\n\
        assert known == there, known ^ there\n\
        print('valid')";
    assert_eq!(
        tool("python3", &["-c", check, schema, &file], "Python's jsonschema (pip install jsonschema)"),
        "valid\n"
    );
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let failing = &report["targets"][0]["failing"];
    assert_eq!((failing.as_array().unwrap().len(), failing[0]["request"].as_str()), (1, Some("GET /fails")));
    assert!(failing[0]["curl"].as_str().unwrap().contains("curl -sS"));
}

#[test]
fn the_page_is_drawn_by_a_browser_and_asks_for_nothing_else() {
    let (store, staging) = recorded();
    let file = store.directory().join("report.html").display().to_string();
    let target = format!("staging={}", staging.url());
    // Over more than a second, so that there are lines to draw.
    let flags = ["--store", store.url(), "--from", "-1h", "--target", &target, "--rate", "3/s", "--report", &file];
    assert_eq!(run(&[&["replay"], &flags[..]].concat()).0, ExitStatus::Done);
    let page = std::fs::read_to_string(&file).unwrap();
    for elsewhere in ["src=", "href=", "url(", "@import", "<script"] {
        assert!(!page.contains(elsewhere), "{elsewhere}");
    }
    let drawn = browser(&store, &file, &["--dump-dom"]);
    for part in ["<h2>staging", "<polyline class=\"sent\"", "GET /fails", "/odd?x=1&amp;y='2'", "p99"] {
        assert!(drawn.contains(part), "{part}\n{drawn}");
    }
    // Looked at once by a person; here it is enough that something was painted.
    let picture = store.directory().join("page.png");
    browser(&store, &file, &[&format!("--screenshot={}", picture.display())]);
    assert!(std::fs::metadata(&picture).unwrap().len() > 10_000);
}

/// Lets a browser open a page, with further flags; what it printed.
fn browser(store: &TestStore, page: &str, more: &[&str]) -> String {
    let data = format!("--user-data-dir={}", store.directory().join("browser").display());
    let url = format!("file://{page}");
    let flags = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--virtual-time-budget=2000",
        &data,
    ];
    tool("chromium", &[&flags, more, &[&url]].concat(), "Chromium (Debian: chromium)")
}

#[test]
fn markup_that_a_client_sent_is_text_in_the_page() {
    const EVIL: &str = "</pre></script><script>document.title='owned'</script><img src=http://evil.example/a.png onerror=\
                        document.title='owned'><style>@import 'http://evil.example/b.css'</style>\"'&lt;";
    let (store, staging) = (TestStore::sqlite(), Origin::with(|_| Answer::status(500, &[], EVIL)));
    let at = |second: u64| Timestamp::now().before(std::time::Duration::from_secs(60 - second));
    let mut evil = post(at(1), &format!("/{}?q={EVIL}", EVIL.replace(' ', "%20")), EVIL.as_bytes());
    evil.request.target = evil.request.target.iter().map(|b| if *b == b' ' { b'+' } else { *b }).collect();
    evil.request.headers.push("x-evil", EVIL);
    evil.request.authority = "evil.example".into();
    store.write(&[evil, get(at(2), "/plain")]);
    let file = store.directory().join("report.html").display().to_string();
    let target = format!("staging={}", staging.url());
    let flags =
        ["replay", "--store", store.url(), "--from", "-1h", "--target", &target, "--rate", "max", "--report", &file];
    assert_eq!(run(&flags).0, ExitStatus::Done);
    assert_eq!(staging.requests().len(), 2, "the evil one was sent too");
    // Whatever the page asks the network for comes here.
    let network = Origin::start();
    let proxy = format!("--proxy-server={}", network.url());
    let drawn = browser(&store, &file, &[&proxy, "--dump-dom"]);
    assert!(drawn.contains("<title>Shadow replay") && drawn.contains("GET /plain"), "{drawn}");
    assert!(drawn.contains("x-evil: &lt;/pre&gt;&lt;/script&gt;"), "{drawn}");
    for element in ["<script", "<img", "@import 'http://evil.example/b.css'</style>"] {
        assert!(!drawn.contains(element), "{element}\n{drawn}");
    }
    let asked: Vec<_> =
        network.requests().iter().map(|r| String::from_utf8_lossy(r.head.target()).into_owned()).collect();
    assert!(!asked.iter().any(|target| target.contains("evil.example")), "{asked:?}");
}

#[test]
fn gates_in_a_script_end_it_with_99() {
    let (store, staging) = recorded();
    let script = format!(
        "set -e\n\
         gate() {{ {REPLAYER} replay --store {store} --from -1h --target staging={url} --rate max --fail-if \"$1\" >/dev/null 2>&1; }}\n\
         gate 'error_rate>50%' && echo passed\n\
         gate 'error_rate>1%' || echo \"status $?\"\n\
         gate 'status_changed>0.5%' || echo \"status $?\"\n\
         gate 'failed>0' && echo passed\n",
        store = store.url(),
        url = staging.url(),
    );
    assert_eq!(tool("sh", &["-c", &script], "a shell"), "passed\nstatus 99\nstatus 99\npassed\n");
}
