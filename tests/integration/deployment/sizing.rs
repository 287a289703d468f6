//! The guide's figures for sizing are what a recorder makes of such requests.

use umbra_tests::deployed;
use umbra_tests::origin::{Answer, Origin};
use umbra_tests::recorder::TestRecorder;
use umbra_tests::stores::TestStore;

/// As many as make a file's fixed parts small beside its records.
const REQUESTS: u64 = 1000;

/// What services say with most answers.
const ANSWERED: [(&str, &str); 5] = [
    ("server", "service/1.2.3"),
    ("date", "Sat, 21 Nov 2026 12:00:00 GMT"),
    ("content-type", "application/json"),
    ("cache-control", "no-store"),
    ("x-request-id", "0af7651916cd43dd8448eb211c80319c"),
];

fn digits(random: &mut fastrand::Rng, count: usize) -> String {
    (0..count).map(|_| char::from_digit(random.u32(..16), 16).unwrap()).collect()
}

/// Ten fields, as a browser and its application send them.
fn fields(random: &mut fastrand::Rng) -> String {
    format!(
        "host: api.example.com\r\n\
        user-agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36\r\n\
        accept: application/json, text/plain, */*\r\naccept-language: en-GB,en;q=0.9\r\n\
        accept-encoding: gzip, deflate, br, zstd\r\nauthorization: Bearer {}\r\ncookie: sid={}; theme=dark\r\n\
        x-request-id: {}\r\ntraceparent: 00-{}-{}-01\r\nreferer: https://shop.example.com/items/{}\r\n",
        digits(random, 180),
        digits(random, 64),
        digits(random, 32),
        digits(random, 32),
        digits(random, 16),
        random.u32(..1_000_000),
    )
}

/// The file's bytes for each record of requests with a body of so many bytes.
fn measured(body: usize, responses: &str) -> f64 {
    let answer = digits(&mut fastrand::Rng::with_seed(1), 4000);
    let origin = Origin::with(move |_| Answer::status(200, &ANSWERED, &answer));
    let store = TestStore::sqlite();
    let recorder = TestRecorder::start(&store, &origin.url(), &["--responses", responses]);
    let (mut client, mut random) = (recorder.client(), fastrand::Rng::with_seed(2));
    for _ in 0..REQUESTS {
        let item = random.u32(..1_000_000);
        let request = match body {
            0 => format!("GET /v1/items/{item}?page=7 HTTP/1.1\r\n{}\r\n", fields(&mut random)),
            _ => format!(
                "POST /v1/orders HTTP/1.1\r\n{}content-type: application/json\r\ncontent-length: {body}\r\n\r\n{}",
                fields(&mut random),
                digits(&mut random, body),
            ),
        };
        assert_eq!(client.exchange(request).status(), 200);
    }
    drop(client);
    assert_eq!(recorder.drain().state("recorded"), REQUESTS);
    let files = std::fs::read_dir(store.directory()).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len());
    files.sum::<u64>() as f64 / REQUESTS as f64
}

#[test]
fn a_record_takes_the_room_that_the_guide_says() {
    let guide = deployed::text("README.md");
    let mut wrong = Vec::new();
    for (of, body) in [("GET", 0), ("POST of 1 KiB", 1 << 10), ("POST of 10 KiB", 10 << 10)] {
        for responses in ["head", "full"] {
            let row = format!("| {of}, `--responses {responses}` | ");
            let row = guide.lines().find_map(|line| line.strip_prefix(&row)).unwrap_or_else(|| panic!("no row {row}"));
            let said = row.split('|').nth(1).unwrap().trim().replace(',', "").parse::<f64>().unwrap();
            let is = measured(body, responses);
            if (is / said - 1.0).abs() > 0.1 {
                wrong.push(format!("{of}, {responses}: {is:.0} bytes, and the guide says {said}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}
