use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use umbra_common::codec;
use umbra_common::fraction::Fraction;
use umbra_common::ledger::Ledger;
use umbra_common::store::{Append, Receipt, Record};

use super::{StoreReceipt, StoreThread};
use crate::config::Responses;
use crate::queue::{self, Feed, Outbox};
use crate::rules::{Choice, Floor, Rules, RulesSetting};
use crate::tap::{Budget, Draft, Limits, RequestHead};

const LIMITS: Limits = Limits { body: 1000, responses: Responses::Head };

/// Takes `together` records at once, and remembers the targets of each time.
struct Taker {
    together: usize,
    taken: Arc<Mutex<Vec<Vec<Bytes>>>>,
}

impl Append<StoreReceipt> for Taker {
    fn append(&mut self, batch: &mut Vec<Record<StoreReceipt>>) {
        let targets = batch.drain(..).map(|record| {
            record.receipt.stored();
            codec::decode(&record.value).unwrap().request.target
        });
        self.taken.lock().unwrap().push(targets.collect());
    }

    fn together(&self) -> usize {
        self.together
    }

    fn tend(&mut self) {}

    fn close(self: Box<Self>, _: Duration) {}
}

/// The targets of five records that were handed over at once, as the store was given them.
fn taken(together: usize) -> Vec<Vec<Bytes>> {
    let floor = Floor {
        choice: Choice { fraction: Fraction::ALL, limits: LIMITS },
        rule: Vec::new(),
        redact: Vec::new(),
        redact_key: None,
        redact_client: None,
        masked: Vec::new(),
        by_client: false,
    };
    let setting = RulesSetting { file: None, floor };
    let (to, batches) = queue::channel();
    let (ledger, budget) = (Ledger::new(), Budget::new(1 << 20));
    let draft = |target: usize| {
        let head = RequestHead::wire(format!("GET /{target} HTTP/1.0\r\n\r\n").into_bytes().into(), false);
        Box::new(Draft::begun(ledger.open(), budget.take(0).unwrap(), LIMITS, head, Instant::now()))
    };
    let outbox = Outbox::new(Feed::new(to, std::thread::current()));
    (0..5).map(draft).for_each(|draft| outbox.push(draft));
    outbox.hand_over();
    drop(outbox);
    let taken = Arc::new(Mutex::default());
    let thread = StoreThread {
        batches,
        store: Box::new(Taker { together, taken: Arc::clone(&taken) }),
        rules: Rules::new(setting.clone(), setting.start().unwrap()),
        redactions: Arc::default(),
        deliveries: Arc::default(),
        upstream: "up".into(),
        recorder: "me".into(),
        deadline: Arc::new(OnceLock::new()),
    };
    thread.run();
    assert_eq!((ledger.snapshot().state("recorded"), budget.used()), (5, 0));
    std::mem::take(&mut *taken.lock().unwrap())
}

#[test]
fn the_store_is_given_all_in_their_order_and_so_many_at_once_as_it_asks_for() {
    for (together, sizes) in [(1, &[1, 1, 1, 1, 1][..]), (2, &[2, 2, 1]), (5, &[5]), (usize::MAX, &[5])] {
        let taken = taken(together);
        assert_eq!(taken.iter().map(Vec::len).collect::<Vec<_>>(), sizes, "{together} together");
        assert_eq!(taken.concat(), ["/0", "/1", "/2", "/3", "/4"].map(Bytes::from));
    }
}
