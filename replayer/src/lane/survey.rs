//! A look at what a killed run has left between the first record that is open and the last it had claimed.

use std::time::Duration;

use umbra_common::store::{Next, PartitionPlan, Plan, Store};

use super::Admit;
use crate::error::RunError;
use crate::job::{Lengths, Progress, Saved, Spot, Standing};
use crate::stop::Stop;

/// How long one look into the store may take.
const WAIT: Duration = Duration::from_millis(100);

/// Tells `progress` of every record there that is still to be sent. A log in another order than that of arrival may give
/// such a record only after later ones have been claimed, and no checkpoint may call it done in between.
pub(crate) fn survey(
    store: &Store,
    plan: &Plan,
    saved: &Saved,
    progress: &Progress,
    admit: &Admit,
    stop: &Stop,
) -> Result<(), RunError> {
    let lengths = Lengths::of(plan);
    let reach = |part: &PartitionPlan| saved.unsettled(part.partition);
    let ends = plan.partitions.iter().filter_map(|p| Some(lengths.round(p.partition, reach(p)?.1)));
    for round in saved.round(&lengths)..=ends.max().unwrap_or(0) {
        let partitions = plan.partitions.iter().filter_map(|whole| {
            let (restart, reach) = reach(whole)?;
            let (from, to) = lengths.within(whole.partition, round, restart, reach)?;
            Some(PartitionPlan { partition: whole.partition, from, to })
        });
        let part = Plan { window: plan.window, partitions: partitions.collect() };
        let mut reader = store.read(&part)?;
        while !stop.is_stopped() {
            let stored = match reader.next(WAIT)? {
                Next::Record(stored) => stored,
                Next::Idle | Next::PartitionEnd(_) => continue,
                Next::End => break,
            };
            let Ok(exchange) = &stored.exchange else { continue };
            let at = lengths.at(stored.position, round);
            let spot = Spot { round, arrival: exchange.arrival, partition: stored.position.partition, at };
            let is_meant = admit.leaves_out(exchange).is_none() && admit.elsewhere(exchange).is_none();
            if is_meant && saved.standing(spot) == Standing::New {
                progress.foresee(spot);
            }
        }
    }
    Ok(())
}
