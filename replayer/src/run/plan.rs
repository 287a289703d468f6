//! `plan`: everything that `replay` does, but for the sending.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::time::Duration;

use umbra_common::exchange::{Exchange, HttpVersion};
use umbra_common::ledger::{Ledger, ReplayOutcome, ReplaySkip};
use umbra_common::store::{Plan, Store};
use umbra_common::time::Timestamp;

use super::rehearsal::Rehearsal;
use super::window::plan_whole;
use crate::change::{self, Changes, Tally};
use crate::command::ReplayConfig;
use crate::error::{ExitStatus, RunError};
use crate::lane::{Admit, Candidate};
use crate::merge::{Ordered, Step};
use crate::schedule::Timetable;
use crate::stop::Stop;
use crate::target::{Preparer, Target, TargetScheme, TargetUrl, origin_form};

/// So many changed requests are shown: enough to see what each rule does.
const DIFFS: u64 = 20;

/// How long one look into the store may take.
const WAIT: Duration = Duration::from_millis(100);

/// Reads the window and prints what would be sent, with `diff` also how the first that are changed differ from what was
/// recorded, and how long sending would take.
pub(super) fn print(
    config: &ReplayConfig,
    diff: bool,
    stop: &Stop,
    out: &mut dyn Write,
) -> Result<ExitStatus, RunError> {
    let store = Store::open(&config.store)?;
    let plan = plan_whole(&store, config)?;
    writeln!(out, "window {}, pace {}", config.window, config.pacing)?;
    print_offsets(&plan, out)?;
    let ledger = Ledger::new();
    let admit = Admit {
        window: config.window,
        filter: config.filter.clone(),
        shard: config.shard,
        portion: None,
        keeps_bodies: false,
        ledger: ledger.clone(),
        history: None,
    };
    let preparer = preparer(config);
    let mut records = Ordered::open(&store, &plan)?;
    let mut timetable = Timetable::new(config.pacing.longest_gap);
    let mut rehearsal = Rehearsal::new(&config.pacing);
    let mut survey = Survey::default();
    let (mut shown, limit) = (0, if diff { DIFFS } else { 0 });
    loop {
        if stop.is_stopped() {
            return Ok(ExitStatus::Interrupted);
        }
        let (arrival, candidate) = match records.next(WAIT, &mut |stored| admit.admit(stored, 0))? {
            Step::Item(arrival, candidate) => (arrival, candidate),
            Step::Idle => continue,
            Step::End => break,
        };
        let place = timetable.next(arrival);
        match candidate {
            Candidate::Elsewhere(..) | Candidate::Before(..) => candidate.skip(ReplaySkip::OtherShard),
            Candidate::Here(exchange, account, _) => {
                let seen = Seen::of(&exchange);
                if shown < limit {
                    shown += u64::from(print_diff(&exchange, &config.sending.changes, out)?);
                }
                match preparer.prepare(*exchange) {
                    Err(_) => account.end(ReplayOutcome::Skipped(ReplaySkip::Unsendable)),
                    Ok(_) => {
                        survey.add(seen);
                        rehearsal.add(place);
                        // Nothing is sent; the ledger's other states say what would not be.
                        account.end(ReplayOutcome::Answered);
                    }
                }
            }
        }
    }
    let counts = ledger.snapshot();
    let left_out: Vec<_> = (counts.ends.iter())
        .filter(|end| end.count > 0 && matches!(end.state, "skipped" | "sampled_out"))
        .map(|end| format!("{} {}", end.count, if end.reason.is_empty() { end.state } else { end.reason }))
        .collect();
    if !left_out.is_empty() {
        writeln!(out, "not sent: {}", left_out.join(", "))?;
    }
    if survey.count == 0 {
        writeln!(out, "nothing to send")?;
        let unreadable = counts.reason("skipped", "undecodable");
        return Ok(if unreadable > 0 { ExitStatus::Failed } else { ExitStatus::NothingToSend });
    }
    write!(out, "{survey}")?;
    for rule in preparer.tally().report() {
        writeln!(out, "{}: {} changed", rule.rule, rule.changed)?;
    }
    write!(out, "{}", rehearsal.told(timetable.cut()))?;
    Ok(ExitStatus::Done)
}

/// Prints how a request is changed; says whether it is.
fn print_diff(exchange: &Exchange, changes: &Changes, out: &mut dyn Write) -> std::io::Result<bool> {
    let mut changed = exchange.request.clone();
    changed.target = origin_form(&changed.target, &changed.method);
    let before = changed.clone();
    // Counted when the request is prepared.
    changes.apply(&mut changed, &Tally::new(changes));
    let lines = change::diff(&before, &changed, &changes.secrets());
    if lines.is_empty() {
        return Ok(false);
    }
    writeln!(out, "{} {}", exchange.id, before.method.escape_ascii())?;
    lines.iter().try_for_each(|line| writeln!(out, "  {line}"))?;
    Ok(true)
}

fn print_offsets(plan: &Plan, out: &mut dyn Write) -> std::io::Result<()> {
    (plan.partitions.iter()).try_for_each(|p| {
        writeln!(out, "partition {}: offsets {} to {}, at most {} records", p.partition, p.from, p.to, p.to - p.from)
    })
}

/// What can be sent does not depend on where to.
fn preparer(config: &ReplayConfig) -> Preparer {
    let anywhere = || Target {
        name: "plan".into(),
        url: TargetUrl { scheme: TargetScheme::Http, host: "target".into(), port: 80 },
    };
    Preparer::new(config.sending.targets.first().cloned().unwrap_or_else(anywhere), config.sending.clone())
}

/// What a window holds.
#[derive(Debug, Default)]
struct Survey {
    count: u64,
    bytes: u64,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    methods: BTreeMap<String, u64>,
    protocols: BTreeMap<&'static str, u64>,
}

/// What is counted of one exchange.
struct Seen {
    arrival: Timestamp,
    bytes: u64,
    method: String,
    protocol: &'static str,
}

impl Seen {
    fn of(exchange: &Exchange) -> Self {
        let request = &exchange.request;
        let protocol = match request.version {
            _ if request.is_grpc() => "gRPC",
            HttpVersion::Http10 => "HTTP/1.0",
            HttpVersion::Http11 => "HTTP/1.1",
            HttpVersion::Http2 => "HTTP/2",
        };
        let method = request.method.escape_ascii().to_string();
        Self { arrival: exchange.arrival, bytes: request.body.length, method, protocol }
    }
}

impl Survey {
    fn add(&mut self, seen: Seen) {
        self.count += 1;
        self.bytes += seen.bytes;
        self.first = Some(self.first.map_or(seen.arrival, |first| first.min(seen.arrival)));
        self.last = self.last.max(Some(seen.arrival));
        *self.protocols.entry(seen.protocol).or_default() += 1;
        /// Tokens that clients make up are no reason to use memory.
        const METHODS: usize = 100;
        if self.methods.len() < METHODS || self.methods.contains_key(&seen.method) {
            *self.methods.entry(seen.method).or_default() += 1;
        }
    }
}

impl fmt::Display for Survey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Some(first), Some(last)) = (self.first, self.last) else { return Ok(()) };
        writeln!(f, "{} exchanges, {} bytes of bodies", self.count, self.bytes)?;
        writeln!(f, "first {first}, last {last}")?;
        let counts = |(name, count): (&dyn fmt::Display, &u64)| format!("{name} {count}");
        let methods: Vec<_> = self.methods.iter().map(|(name, n)| counts((name, n))).collect();
        let protocols: Vec<_> = self.protocols.iter().map(|(name, n)| counts((name, n))).collect();
        writeln!(f, "{}", methods.join(", "))?;
        writeln!(f, "{}", protocols.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::Rule;
    use crate::schedule::Pace;
    use crate::testing::{Recording, exchange};

    fn plan(recording: &Recording, pace: Pace) -> (ExitStatus, String) {
        let config = ReplayConfig {
            pacing: pace.into(),
            ..ReplayConfig::new(recording.store.clone(), Recording::window(), Vec::new())
        };
        let mut out = Vec::new();
        let status = print(&config, true, &Stop::new(), &mut out).unwrap();
        (status, String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_plan_says_what_would_be_sent_and_how_long_it_would_take() {
        let mut truncated = exchange("/t", Duration::from_secs(1));
        truncated.request.body.truncated = true;
        let recording =
            Recording::of(&[exchange("/a", Duration::ZERO), truncated, exchange("/b", Duration::from_secs(3))]);
        let (status, text) = plan(&recording, Pace::default());
        assert_eq!(status, ExitStatus::Done);
        assert!(text.contains("partition 0: offsets 1 to 4, at most 3 records"), "{text}");
        assert!(text.contains("not sent: 1 truncated"), "{text}");
        assert!(text.contains("2 exchanges, 0 bytes of bodies"), "{text}");
        assert!(text.contains("first 2023-11-14T22:13:20Z, last 2023-11-14T22:13:23Z"), "{text}");
        assert!(text.contains("GET 2\nHTTP/1.1 2\nit would take 3s at recorded x 1"), "{text}");
        assert!(plan(&recording, Pace::Constant("1/m".parse().unwrap())).1.contains("it would take 1m at 1/m"));
        assert!(plan(&recording, Pace::Max).1.contains("as long as the target needs"));
    }

    #[test]
    fn a_plan_shows_what_the_changes_do() {
        let recording = Recording::of(&[exchange("/v1/a", Duration::ZERO), exchange("/b", Duration::from_secs(1))]);
        let mut config = ReplayConfig::new(recording.store.clone(), Recording::window(), Vec::new());
        config.sending.changes = Changes::new(vec![Rule::RewritePath("/v1=/v2".parse().unwrap())]);
        let mut out = Vec::new();
        assert_eq!(print(&config, true, &Stop::new(), &mut out).unwrap(), ExitStatus::Done);
        let text = String::from_utf8(out).unwrap();
        assert_eq!((text.matches("\n  - ").count(), text.matches("\n  + ").count()), (1, 1), "{text}");
        assert!(text.contains(" GET\n  - /v1/a\n  + /v2/a\n"), "{text}");
        assert!(text.contains("rewrite-path /v1=/v2: 1 changed\n"), "{text}");
    }

    #[test]
    fn an_empty_window_exits_3_and_one_of_garbage_1() {
        assert_eq!(plan(&Recording::of(&[]), Pace::Max).0, ExitStatus::NothingToSend);
        let good = exchange("/", Duration::ZERO);
        let garbage = Recording::raw([(good.id, good.arrival, b"garbage".to_vec())]);
        assert_eq!(plan(&garbage, Pace::Max).0, ExitStatus::Failed);
    }
}
