use std::rc::Rc;
use std::sync::Arc;

use http::{HeaderMap, Request, Response};
use umbra_common::codec;
use umbra_common::exchange::{Ending, Exchange};
use umbra_common::ledger::{Ledger, RecordOutcome};

use super::*;
use crate::config::Responses;
use crate::queue::{self, Feed};

/// The taps of one worker, and where its records arrive.
struct Bench {
    taps: Rc<Taps>,
    limits: Limits,
    outbox: Rc<Outbox>,
    queue: crossbeam_channel::Receiver<queue::Batch>,
    ledger: Arc<Ledger<RecordOutcome>>,
    budget: Arc<Budget>,
}

fn bench(memory: u64, responses: Responses) -> Bench {
    let (to, queue) = queue::channel();
    let outbox = Outbox::new(Feed::new(to, std::thread::current()));
    let taps = Taps::new(Rc::clone(&outbox));
    Bench {
        taps,
        limits: Limits { body: 1000, responses },
        outbox,
        queue,
        ledger: Ledger::new(),
        budget: Budget::new(memory),
    }
}

impl Bench {
    fn open(&self) -> Tap {
        self.open_since(Instant::now())
    }

    fn open_since(&self, started: Instant) -> Tap {
        let parts = Request::post("/a").header("host", "h").body(()).unwrap().into_parts().0;
        let head = RequestHead::listed(&parts, false);
        self.taps.open(Draft::begun(
            self.ledger.open(),
            self.budget.take(DRAFT_BYTES as u64).unwrap(),
            self.limits,
            head,
            started,
        ))
    }

    /// What was handed over, each settled as recorded.
    fn records(&self) -> Vec<Exchange> {
        self.outbox.hand_over();
        let mut exchanges = Vec::new();
        for batch in self.queue.try_iter() {
            let (records, bytes) = batch.open();
            for record in records {
                let (exchange, entry, _permit) = record.unpack(&bytes, "up", "me");
                entry.end(RecordOutcome::Recorded);
                exchanges.push(codec::decode(&codec::encode(&exchange)).unwrap());
            }
        }
        exchanges
    }
}

fn answer(tap: &Tap) {
    let response = Response::builder().status(201).header("x", "y").body(()).unwrap();
    tap.response_head(&response.into_parts().0, &[], Instant::now());
}

#[test]
fn an_exchange_ends_with_its_last_holder() {
    let bench = bench(1 << 20, Responses::Full);
    let tap = bench.open();
    let (request, response) = (tap.clone(), tap);
    request.request_data(b"hello ");
    request.request_data(b"world");
    drop(request);
    assert!(bench.records().is_empty());
    answer(&response);
    response.response_data(b"bye");
    response.response_trailers(&HeaderMap::from_iter([(http::header::ETAG, "1".parse().unwrap())]));
    response.end(Ending::Complete);
    response.end(Ending::ClientAborted);
    drop(response);
    let [exchange] = &bench.records()[..] else { panic!("one record") };
    assert_eq!((&exchange.request.body.bytes[..], exchange.ending), (&b"hello world"[..], Ending::Complete));
    assert_eq!(&exchange.request.authority[..], b"h");
    let response = exchange.response.as_ref().unwrap();
    assert_eq!((response.status, &response.body.bytes[..]), (201, &b"bye"[..]));
    assert_eq!(response.trailers.get("etag"), Some(&b"1"[..]));
    assert_eq!(bench.ledger.snapshot().to_string(), "seen 1 = recorded 1");
    assert_eq!(bench.budget.used(), 0);
}

#[test]
fn an_exchange_that_nobody_ended_was_left_by_its_client() {
    let bench = bench(1 << 20, Responses::Head);
    drop(bench.open());
    assert_eq!(bench.records()[0].ending, Ending::ClientAborted);
}

#[test]
fn a_body_that_the_budget_has_no_room_for_drops_the_record_and_nothing_else() {
    let bench = bench(DRAFT_BYTES as u64 + 100, Responses::Full);
    let tap = bench.open();
    tap.request_data(&[0; 500]);
    assert_eq!(bench.budget.used(), 0);
    tap.request_data(&[0; 500]);
    answer(&tap);
    tap.end(Ending::Complete);
    drop(tap);
    assert!(bench.records().is_empty());
    assert_eq!(bench.ledger.snapshot().to_string(), "seen 1 = dropped{memory} 1");
}

#[test]
fn responses_are_recorded_as_far_as_asked() {
    for (responses, kept) in
        [(Responses::Off, None), (Responses::Head, Some((0, 3, true))), (Responses::Full, Some((3, 3, false)))]
    {
        let bench = bench(1 << 20, responses);
        let tap = bench.open();
        answer(&tap);
        tap.response_data(b"bye");
        drop(tap);
        let response = bench.records().remove(0).response;
        assert_eq!(response.map(|r| (r.body.bytes.len(), r.body.length, r.body.truncated)), kept, "{responses}");
    }
}

#[test]
fn what_still_goes_on_is_emitted_once_and_then_no_longer_copied() {
    let bench = bench(1 << 20, Responses::Head);
    let tap = bench.open();
    bench.taps.emit_overdue();
    assert!(bench.records().is_empty());
    bench.taps.emit_all();
    assert_eq!(bench.records()[0].ending, Ending::Unfinished);
    tap.request_data(&[0; 500]);
    assert_eq!(bench.budget.used(), 0);
    drop(tap);
    assert!(bench.records().is_empty());
    assert!(bench.ledger.snapshot().balances());
}

#[test]
fn what_goes_on_for_too_long_is_emitted_and_the_rest_is_not() {
    let bench = bench(1 << 20, Responses::Head);
    let _young = bench.open();
    let _old = bench.open_since(Instant::now() - EMIT_AFTER);
    bench.taps.emit_overdue();
    let [exchange] = &bench.records()[..] else { panic!("one record") };
    assert!(exchange.ending == Ending::Unfinished && exchange.total >= EMIT_AFTER);
    assert_eq!(bench.ledger.snapshot().open(), 1);
}

#[test]
fn a_full_queue_drops_records_and_counts_them() {
    let bench = bench(1 << 30, Responses::Head);
    let mut sent = 0;
    while bench.ledger.snapshot().ended() == 0 {
        drop(bench.open());
        bench.outbox.hand_over();
        sent += 1;
    }
    assert_eq!(bench.ledger.snapshot().reason("dropped", "queue_full"), 1);
    assert_eq!(bench.records().len(), sent - 1);
    assert!(bench.ledger.snapshot().balances());
    assert_eq!(bench.budget.used(), 0);
}
