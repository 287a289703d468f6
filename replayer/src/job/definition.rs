//! What a job is: its window, frozen, and the settings that it was begun with.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use umbra_common::store::{Mark, PartitionPlan, Plan, Position};
use umbra_common::time::{Timestamp, Window};

use super::{JobError, JobName};

/// What stays the same for as long as a job lives, for all of its processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Definition {
    /// The offsets that are read, and the window that they were planned for.
    pub(crate) plan: Plan,
    /// When it was begun.
    pub(super) created: Timestamp,
    /// What was asked for, by flag.
    pub(super) settings: BTreeMap<String, String>,
}

/// The version of this format.
const VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
struct Text {
    /// The partition's end in the plan; its beginning is the mark's offset.
    to: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    job: Option<Head>,
}

#[derive(Serialize, Deserialize)]
struct Head {
    v: u8,
    created: u64,
    from: u64,
    to: u64,
    settings: BTreeMap<String, String>,
}

impl Definition {
    /// As marks; what is not about one partition goes with the first.
    pub(super) fn to_marks(&self) -> Vec<Mark> {
        let mut head = Some(Head {
            v: VERSION,
            created: self.created.as_nanos(),
            from: self.plan.window.from().as_nanos(),
            to: self.plan.window.to().as_nanos(),
            settings: self.settings.clone(),
        });
        let mark = |part: &PartitionPlan| Mark {
            position: Position { partition: part.partition, offset: part.from },
            // Numbers and strings always have a JSON form.
            note: serde_json::to_string(&Text { to: part.to, job: head.take() }).unwrap_or_default(),
        };
        self.plan.partitions.iter().map(mark).collect()
    }

    /// From marks; nothing where there are none.
    pub(super) fn from_marks(name: &JobName, marks: &[Mark]) -> Result<Option<Self>, JobError> {
        if marks.is_empty() {
            return Ok(None);
        }
        let unreadable = |why: String| JobError::Unreadable { name: name.clone(), why };
        let (mut head, mut partitions) = (None, Vec::new());
        for mark in marks {
            let text: Text = serde_json::from_str(&mark.note).map_err(|e| unreadable(e.to_string()))?;
            head = text.job.or(head);
            let Position { partition, offset: from } = mark.position;
            partitions.push(PartitionPlan { partition, from, to: text.to });
        }
        let head = head.ok_or_else(|| unreadable("it does not say what the job is".into()))?;
        if head.v != VERSION {
            return Err(unreadable(format!("its version {} is not {VERSION}", head.v)));
        }
        let window = Window::new(Timestamp::from_nanos(head.from), Timestamp::from_nanos(head.to));
        let window = window.map_err(|e| unreadable(e.to_string()))?;
        let created = Timestamp::from_nanos(head.created);
        Ok(Some(Self { plan: Plan { window, partitions }, created, settings: head.settings }))
    }

    /// The flags by which other settings differ from the job's.
    pub(super) fn differs(&self, settings: &BTreeMap<String, String>) -> Vec<String> {
        let names = self.settings.keys().chain(settings.keys().filter(|name| !self.settings.contains_key(*name)));
        let said = |value: Option<&String>| value.map_or_else(|| "not given".to_owned(), |v| format!("'{v}'"));
        names
            .filter(|name| self.settings.get(*name) != settings.get(*name))
            .map(|n| {
                format!("--{n} is {}, the job was begun with {}", said(settings.get(n)), said(self.settings.get(n)))
            })
            .collect()
    }

    /// The targets, as `NAME=URL`.
    pub(super) fn targets(&self) -> &str {
        self.settings.get("target").map_or("", String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition() -> Definition {
        let part = |partition| PartitionPlan { partition, from: 5, to: 9 };
        let window = Window::new(Timestamp::from_nanos(1), Timestamp::from_nanos(2)).unwrap();
        let settings = [("rate", "5/s"), ("target", "a=http://b")].map(|(n, v)| (n.to_owned(), v.to_owned()));
        Definition {
            plan: Plan { window, partitions: vec![part(0), part(3)] },
            created: Timestamp::from_nanos(7),
            settings: settings.into(),
        }
    }

    #[test]
    fn marks_say_all_of_it() {
        let name = "a".parse().unwrap();
        assert_eq!(Definition::from_marks(&name, &definition().to_marks()).unwrap(), Some(definition()));
        assert_eq!(Definition::from_marks(&name, &[]).unwrap(), None);
        let half = Definition::from_marks(&name, &definition().to_marks()[1..]).unwrap_err().to_string();
        assert!(half.contains("what the job is"), "{half}");
    }

    #[test]
    fn settings_that_differ_are_named_with_both_values() {
        let definition = definition();
        assert_eq!(definition.differs(&definition.settings), Vec::<String>::new());
        let mut other = definition.settings.clone();
        other.insert("rate".into(), "6/s".into());
        other.insert("sample".into(), "1%".into());
        other.remove("target");
        assert_eq!(
            definition.differs(&other),
            [
                "--rate is '6/s', the job was begun with '5/s'",
                "--target is not given, the job was begun with 'a=http://b'",
                "--sample is '1%', the job was begun with not given",
            ]
        );
    }
}
