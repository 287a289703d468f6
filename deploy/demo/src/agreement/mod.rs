//! Whether the four places agree: what the client sent, what v1 received, what was recorded, what v2 received.

use std::fmt::Display;

use umbra_common::ledger::Snapshot;
use umbra_common::shadow_host;

use crate::client::SECRET;
use crate::sighting::Sighting;

/// All that was seen in a run.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// By the client, in the order it was sent.
    pub sent: Vec<Sighting>,
    /// By production.
    pub v1: Vec<Sighting>,
    /// In the store.
    pub recorded: Vec<Sighting>,
    /// By staging.
    pub v2: Vec<Sighting>,
    /// The recorder's ledger.
    pub recorder: Snapshot,
    /// The replayer's ledger.
    pub replayer: Snapshot,
}

impl Evidence {
    /// What differs, one sentence for each; nothing where all agree.
    pub fn differences(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.counts(&mut found);
        for sent in &self.sent {
            if let Some(v1) = only("v1 received", &self.v1, sent, &mut found) {
                same_request("v1 received", v1, sent, &mut found);
                differ("v1 received", "host", sent, &v1.host, &sent.host, &mut found);
                differ("v1 received", "credential", sent, &v1.authorization, &sent.authorization, &mut found);
                differ("v1 received", "marker", sent, &v1.marker, &None, &mut found);
            }
            if let Some(record) = only("the store has", &self.recorded, sent, &mut found) {
                same_request("the store has", record, sent, &mut found);
                differ("the store has", "host", sent, &record.host, &sent.host, &mut found);
                masked("the store has", record, sent, &mut found);
            }
            if let Some(v2) = only("v2 received", &self.v2, sent, &mut found) {
                let shadow = String::from_utf8_lossy(&shadow_host::add(sent.host.as_bytes())).into_owned();
                same_request("v2 received", v2, sent, &mut found);
                differ("v2 received", "host", sent, &v2.host, &shadow, &mut found);
                masked("v2 received", v2, sent, &mut found);
                if v2.marker.is_none() {
                    found.push(format!("v2 received {} without the marker of a replayer", sent.id));
                }
            }
        }
        found
    }

    fn counts(&self, found: &mut Vec<String>) {
        let sent = self.sent.len() as u64;
        for (what, count) in [
            ("v1 received", self.v1.len() as u64),
            ("the store has", self.recorded.len() as u64),
            ("v2 received", self.v2.len() as u64),
            ("the recorder's ledger has seen", self.recorder.seen),
            ("the recorder's ledger has recorded", self.recorder.state("recorded")),
            ("the replayer's ledger has answered", self.replayer.state("answered")),
        ] {
            if count != sent {
                found.push(format!("{what} {count}, the client sent {sent}"));
            }
        }
        for (whose, ledger) in [("recorder", &self.recorder), ("replayer", &self.replayer)] {
            if !ledger.balances() {
                found.push(format!("the {whose}'s ledger does not add up: {ledger}"));
            }
        }
    }
}

/// The one sighting of a request in a place; anything else than one is a difference.
fn only<'a>(place: &str, all: &'a [Sighting], sent: &Sighting, found: &mut Vec<String>) -> Option<&'a Sighting> {
    let mut same = all.iter().filter(|s| s.id == sent.id);
    let first = same.next();
    let count = usize::from(first.is_some()) + same.count();
    if count != 1 {
        found.push(format!("{place} {} {count} times instead of once", sent.id));
    }
    first.filter(|_| count == 1)
}

/// What is the same wherever a request goes, and how it is answered.
fn same_request(place: &str, seen: &Sighting, sent: &Sighting, found: &mut Vec<String>) {
    differ(place, "method", sent, &seen.method, &sent.method, found);
    differ(place, "target", sent, &seen.target, &sent.target, found);
    differ(place, "version", sent, &seen.version, &sent.version, found);
    differ(place, "odd bytes", sent, &seen.odd, &sent.odd, found);
    differ(place, "body", sent, &seen.body, &sent.body, found);
    differ(place, "status", sent, &seen.status, &sent.status, found);
}

/// A credential is there and masked where one was sent, and absent where none was.
fn masked(place: &str, seen: &Sighting, sent: &Sighting, found: &mut Vec<String>) {
    if seen.authorization.as_deref().is_some_and(|a| a.windows(SECRET.len()).any(|w| w == SECRET.as_bytes())) {
        found.push(format!("{place} the secret of {}", sent.id));
    }
    if seen.authorization.is_some() != sent.authorization.is_some() {
        found.push(format!("{place} {} with its authorization field gone or added", sent.id));
    }
}

fn differ<T: PartialEq + std::fmt::Debug>(
    place: &str,
    what: impl Display,
    sent: &Sighting,
    is: &T,
    should: &T,
    found: &mut Vec<String>,
) {
    if is != should {
        found.push(format!("{place} {} with {what} {is:?} instead of {should:?}", sent.id));
    }
}

#[cfg(test)]
mod tests;
