//! Whatever the order of reading, claiming and ending: a checkpoint says of each record exactly what was done with it.

use std::collections::BTreeMap;

use proptest::prelude::*;
use umbra_common::store::{PartitionPlan, Plan};
use umbra_common::time::{Timestamp, Window};

use super::{Order, Progress};
use crate::job::{Lengths, Saved, Spot, Standing, Ticket};
use crate::report::Receipt;

const RECORDS: i64 = 30;

fn lengths() -> Lengths {
    let partitions = (0..2).map(|partition| PartitionPlan { partition, from: 5, to: 5 + RECORDS }).collect();
    Lengths::of(&Plan { window: Window::ALL, partitions })
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Read(i32),
    Claim(prop::sample::Index),
    End(prop::sample::Index),
    Drop(prop::sample::Index),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0i32..2).prop_map(Step::Read),
        3 => any::<prop::sample::Index>().prop_map(Step::Claim),
        2 => any::<prop::sample::Index>().prop_map(Step::End),
        1 => any::<prop::sample::Index>().prop_map(Step::Drop),
    ];
    prop::collection::vec(step, 0..120)
}

/// A run over a log, and what each of its records came to.
struct Model {
    arrivals: BTreeMap<(i32, i64), u64>,
    next: BTreeMap<i32, i64>,
    waiting: Vec<(Spot, Ticket)>,
    claimed: Vec<(Spot, Ticket)>,
    fates: BTreeMap<Spot, Standing>,
    index: u64,
}

impl Model {
    fn new(arrivals: &[u64]) -> Self {
        let all = (0..2).flat_map(|p| (5..5 + RECORDS).map(move |at| (p, at)));
        Self {
            arrivals: all.zip(arrivals.iter().copied()).collect(),
            next: [(0, 5), (1, 5)].into(),
            waiting: Vec::new(),
            claimed: Vec::new(),
            fates: BTreeMap::new(),
            index: 0,
        }
    }

    fn spot(&self, partition: i32, at: i64) -> Spot {
        Spot { round: 0, arrival: Timestamp::from_nanos(self.arrivals[&(partition, at)]), partition, at }
    }

    /// One run, which goes on where `saved` says.
    fn run(&mut self, steps: &[Step], saved: Option<&Saved>) -> Saved {
        let progress = match saved {
            None => Progress::new(Order::Offset, &lengths()),
            Some(saved) => Progress::resumed(Order::Offset, saved),
        };
        self.next = [(0, 5), (1, 5)].into();
        if let Some(saved) = saved {
            // As the survey does.
            let open: Vec<Spot> = self.arrivals.keys().map(|(p, at)| self.spot(*p, *at)).collect();
            let within = |spot: &&Spot| saved.unsettled(spot.partition).is_some_and(|(_, reach)| spot.at < reach);
            let new = open.iter().filter(within).filter(|spot| saved.standing(**spot) == Standing::New);
            new.for_each(|spot| progress.foresee(*spot));
        }
        for step in steps {
            match step {
                Step::Read(partition) => {
                    let at = self.next[partition];
                    if at >= 5 + RECORDS {
                        continue;
                    }
                    self.next.insert(*partition, at + 1);
                    let spot = self.spot(*partition, at);
                    let standing = saved.map_or(Standing::New, |saved| saved.standing(spot));
                    if standing == Standing::Done {
                        progress.pass(spot);
                        continue;
                    }
                    progress.read(spot);
                    self.waiting.push((spot, progress.enter(spot, self.index, standing == Standing::Doubt)));
                    self.index += 1;
                }
                Step::Claim(which) if !self.waiting.is_empty() => {
                    let (spot, mut ticket) = self.waiting.remove(which.index(self.waiting.len()));
                    ticket.claim();
                    self.fates.insert(spot, Standing::Doubt);
                    self.claimed.push((spot, ticket));
                }
                Step::End(which) if !self.claimed.is_empty() => {
                    let (spot, mut ticket) = self.claimed.remove(which.index(self.claimed.len()));
                    ticket.sending();
                    ticket.done();
                    self.fates.insert(spot, Standing::Done);
                }
                Step::Drop(which) if !self.claimed.is_empty() => {
                    let (spot, ticket) = self.claimed.remove(which.index(self.claimed.len()));
                    let was_in_doubt = !ticket.needs_room();
                    drop(ticket);
                    self.fates.insert(spot, if was_in_doubt { Standing::Doubt } else { Standing::New });
                }
                _ => {}
            }
        }
        let marks = progress.checkpoint(std::time::Duration::ZERO);
        // The run is killed: nobody hears of what it had in hand.
        self.waiting.clear();
        self.claimed.drain(..).for_each(|(_, ticket)| drop(ticket));
        Saved::from_marks(&marks).unwrap().unwrap()
    }

    fn check(&self, saved: &Saved) {
        for (partition, at) in self.arrivals.keys() {
            let spot = self.spot(*partition, *at);
            let fate = self.fates.get(&spot).copied().unwrap_or(Standing::New);
            assert_eq!(saved.standing(spot), fate, "{spot:?} in {saved:?}");
        }
    }
}

proptest! {
    #[test]
    fn a_checkpoint_says_of_each_record_what_was_done_with_it(
        arrivals in prop::collection::vec(0u64..20, 2 * RECORDS as usize),
        runs in prop::collection::vec(steps(), 1..4),
    ) {
        let mut model = Model::new(&arrivals);
        let mut saved: Option<Saved> = None;
        for steps in &runs {
            let now = model.run(steps, saved.as_ref());
            model.check(&now);
            saved = Some(now);
        }
    }
}
