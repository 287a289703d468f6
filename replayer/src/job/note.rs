//! A lane's checkpoint as the store keeps it: for each partition an offset and a short JSON text.
//!
//! A record has been dealt with if it stands before the partition's `p`; or before its `r`, at or before the lane's
//! frontier, and in neither list. Sendings follow the order of arrival, so the lists stay short: `d` are those that may be
//! under way, `u` those that were passed over, because they came out of order.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use umbra_common::store::{Mark, Position};
use umbra_common::time::Timestamp;

use super::{Spot, gaps};

/// The version of this format. Another one is refused by name, not guessed at.
const VERSION: u8 = 1;

/// What a lane had done when it was last heard of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Saved {
    pub(super) head: Head,
    pub(super) parts: BTreeMap<i32, Part>,
}

/// What is said once for a lane.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Head {
    #[serde(rename = "v")]
    version: u8,
    /// Whether everything has been sent.
    pub(super) done: bool,
    /// When this was written, in milliseconds since the epoch.
    pub(super) updated: u64,
    /// How many requests have been sent and have ended.
    pub(super) sent: u64,
    /// The timetable's index of the first that has not ended.
    pub(super) index: u64,
    /// The last that may have been sent: round, arrival, partition, offset.
    frontier: Option<(u32, u64, i32, i64)>,
    /// The first that has not ended: round and arrival.
    pub(super) low: Option<(u32, u64)>,
    /// When the window's first exchange arrived, where it is known.
    pub(super) first: Option<u64>,
    /// How long one round is, in nanoseconds, where it is known.
    pub(super) span: Option<u64>,
    /// How long the job has been running, in milliseconds.
    pub(super) spent: u64,
}

/// What is said for one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Where to read again.
    pub(super) restart: i64,
    /// Everything before this has been dealt with.
    pub(super) prefix: i64,
    /// Nothing from here on has been.
    pub(super) reach: i64,
    /// May be under way.
    pub(super) doubt: BTreeSet<i64>,
    /// Passed over.
    pub(super) untouched: BTreeSet<i64>,
}

#[derive(Serialize, Deserialize)]
struct Text {
    p: i64,
    r: i64,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    d: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    u: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lane: Option<Head>,
}

impl Head {
    pub(super) fn frontier(&self) -> Option<Spot> {
        let (round, arrival, partition, at) = self.frontier?;
        Some(Spot { round, arrival: Timestamp::from_nanos(arrival), partition, at })
    }

    pub(super) fn set_frontier(&mut self, spot: Option<Spot>) {
        self.frontier = spot.map(|s| (s.round, s.arrival.as_nanos(), s.partition, s.at));
    }
}

/// A checkpoint that says nothing this release understands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the checkpoint of partition {partition} cannot be read: {why}; is it of another release?")]
pub struct NoteError {
    partition: i32,
    why: String,
}

impl Saved {
    /// As marks. The lane's own figures go with its first partition.
    pub(super) fn to_marks(&self) -> Vec<Mark> {
        let mut head = Some(Head { version: VERSION, ..self.head.clone() });
        let mark = |(partition, part): (&i32, &Part)| {
            let text = Text {
                p: part.prefix,
                r: part.reach,
                d: gaps::write(part.doubt.iter().copied(), part.prefix),
                u: gaps::write(part.untouched.iter().copied(), part.prefix),
                lane: head.take(),
            };
            // Numbers and strings always have a JSON form.
            let note = serde_json::to_string(&text).unwrap_or_default();
            Mark { position: Position { partition: *partition, offset: part.restart }, note }
        };
        self.parts.iter().map(mark).collect()
    }

    /// From marks; nothing where there are none.
    pub(super) fn from_marks(marks: &[Mark]) -> Result<Option<Self>, NoteError> {
        let (mut head, mut parts) = (None, BTreeMap::new());
        for mark in marks {
            let Position { partition, offset: restart } = mark.position;
            let error = |why: String| NoteError { partition, why };
            let text: Text = serde_json::from_str(&mark.note).map_err(|e| error(e.to_string()))?;
            let list = |list: &str| gaps::read(list, text.p).ok_or_else(|| error(format!("'{list}' is no list")));
            if let Some(found) = text.lane {
                if found.version != VERSION {
                    return Err(error(format!("its version {} is not {VERSION}", found.version)));
                }
                head = Some(found);
            }
            let (doubt, untouched) = (list(&text.d)?, list(&text.u)?);
            parts.insert(partition, Part { restart, prefix: text.p, reach: text.r, doubt, untouched });
        }
        match head {
            Some(head) => Ok(Some(Self { head, parts })),
            None if parts.is_empty() => Ok(None),
            None => Err(NoteError { partition: 0, why: "it does not say how far the lane is".into() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saved() -> Saved {
        let mut head = Head { version: VERSION, sent: 12, index: 9, low: Some((0, 5)), ..Head::default() };
        head.set_frontier(Some(Spot { round: 1, arrival: Timestamp::from_nanos(77), partition: 2, at: 40 }));
        let part = |base: i64| Part {
            restart: base - 1,
            prefix: base,
            reach: base + 9,
            doubt: [base, base + 3].into(),
            untouched: [base + 5].into(),
        };
        Saved { head, parts: [(0, part(10)), (2, part(30))].into() }
    }

    #[test]
    fn marks_say_all_of_it() {
        let marks = saved().to_marks();
        assert_eq!(marks[1].note, r#"{"p":30,"r":39,"d":"0,3","u":"5"}"#);
        assert_eq!(Saved::from_marks(&marks), Ok(Some(saved())));
        assert_eq!(Saved::from_marks(&[]), Ok(None));
    }

    #[test]
    fn what_cannot_be_read_is_said_and_not_guessed() {
        let mut marks = saved().to_marks();
        assert!(Saved::from_marks(&marks[1..]).unwrap_err().to_string().contains("how far"));
        marks[0].note = marks[0].note.replace("\"v\":1", "\"v\":2");
        assert!(Saved::from_marks(&marks).unwrap_err().to_string().contains("version 2"));
        for note in ["", "{}", r#"{"p":1,"r":2,"d":"x"}"#] {
            let mark = Mark { position: Position { partition: 4, offset: 1 }, note: note.into() };
            assert!(Saved::from_marks(&[mark]).unwrap_err().to_string().contains("partition 4"), "{note}");
        }
    }

    #[test]
    fn the_most_that_can_be_open_fits_into_one_note() {
        let spread = |count: i64, gap: i64| (1..=count).map(|n| 1_000_000_000 + n * gap).collect();
        let mut saved = saved();
        saved.parts.retain(|partition, _| *partition == 0);
        if let Some(part) = saved.parts.get_mut(&0) {
            (part.prefix, part.doubt) = (1_000_000_000, spread(super::super::MOST_IN_DOUBT as i64, 10_000));
        }
        let note = &saved.to_marks()[0].note;
        assert!(note.len() <= Mark::LONGEST_NOTE, "{} bytes", note.len());
    }
}
