//! What becomes of requests without a schedule while their target is away.

use std::net::TcpListener;

use umbra_common::exchange::ExchangeId;
use umbra_common::ledger::Ledger;
use umbra_common::time::Timestamp;

use super::*;
use crate::report::Recorded;
use crate::schedule::{Alarm, Control, Pace, Pacer, Place, Slot, StartLine, intake};
use crate::target::RecordedBody;

const COUNT: u64 = 200;

fn shot(ledger: &Arc<Ledger<ReplayOutcome>>) -> Shot<(), ()> {
    let shadow = ShadowRequest {
        request: Box::new(http::Request::new(RecordedBody::default())),
        protocol: Protocol::H1,
        recorded: Recorded::of(ExchangeId::new(Timestamp::ZERO, 0)),
        session: None,
        carried: None,
        size: 0,
    };
    Shot { shadow, account: Account::new(ledger.open(), ()), charge: (), expires: None }
}

#[test]
fn at_full_speed_a_target_that_stays_away_ends_the_run_with_every_request_counted() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ledger = Ledger::new();
    let breaker = Arc::new(Breaker::new("away".into(), "3".parse().unwrap()));
    let telling = Telling {
        figures: Arc::new(Mutex::new(Figures::new(true))),
        live: Arc::default(),
        breaker: Arc::clone(&breaker),
    };
    let dispatcher = {
        let _inside = runtime.enter();
        let line = Arc::new(StartLine::new(1, None));
        Dispatcher::new(Pacer::for_window(Pace::Max, line, Arc::new(Control::default())), Alarm::new().unwrap())
    };
    // Shorter than to the first probe, so one probe is made in vain and nobody waits for a second one.
    let open = Duration::from_millis(500);
    let manner =
        Manner { timeout: Duration::from_secs(5), connections: 8, in_flight: 8, patience: Patience::None, open };
    let url = format!("http://{nobody}").parse().unwrap();
    let sender = Sender::new((&url, &Reach::default()), manner, dispatcher, None, telling, Stop::new()).unwrap();
    let (inlet, queued) = intake(1);
    let slot = |index| Slot::InWindow(Place { index, elapsed: Duration::ZERO });
    let all = (0..COUNT).map(|index| Scheduled { slot: slot(index), item: shot(&ledger) }).collect();
    inlet.put(all, Duration::ZERO).unwrap();
    drop(inlet);
    runtime.block_on(sender.run(queued));
    let counts = ledger.snapshot();
    let (tried, kept) = (counts.reason("failed", "connect"), counts.reason("failed", "breaker_open"));
    assert_eq!((counts.seen, tried + kept), (COUNT, COUNT), "{counts}");
    // Three that open it, as many as were in flight with them, and a probe.
    assert!((4..=11).contains(&tried), "{counts}");
    assert_eq!(breaker.opened(), 1);
}
