//! Listing a window, showing one exchange, following the end, counting endpoints.

use std::collections::HashSet;
use std::io::{self, Write};
use std::time::Duration;

use umbra_common::exchange::{Exchange, ExchangeId, IdSource, allocated};
use umbra_common::store::{Follow, Next, SLACK, Start, Store, Stored};
use umbra_common::time::{Timestamp, Window};

use super::printer::{Lines, Printer};
use super::top::Top;
use super::{IdPrefix, Output};
use crate::command::{Look, TrafficConfig};
use crate::error::{ExitStatus, RunError};
use crate::merge::{Admitted, Footprint, Ordered, Step};
use crate::stop::Stop;

/// How long one look into the store may take.
const WAIT: Duration = Duration::from_millis(100);
/// An exchange that was listed can come again from the tail, which begins first: so many are remembered.
const REMEMBERED: usize = 100_000;
/// As many ids are named where a beginning fits several.
const NAMED: usize = 10;

/// Prints the exchanges that were asked for.
pub fn print(config: &TrafficConfig, stop: &Stop, out: &mut dyn Write) -> Result<ExitStatus, RunError> {
    let store = Store::open(&config.store)?;
    // Many short lines: one write for some of them.
    let mut out = io::BufWriter::new(out);
    let done = match &config.look {
        Look::List { window, follow } => list(config, &store, *window, *follow, stop, &mut out),
        Look::Show(id) => show(config, &store, id, stop, &mut out),
        Look::Tail => tail(config, &store, stop, &mut out),
        Look::Top { window, limit } => top(config, &store, *window, *limit, stop, &mut out),
    };
    let flushed = out.flush().map_err(RunError::Output);
    match done.and_then(|status| flushed.map(|()| status)) {
        // Whoever read this has seen enough, as in `traffic list | head`.
        Err(RunError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitStatus::Done),
        done => done,
    }
}

/// What reading a window came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Read {
    /// Its end; with so many records that could not be read.
    Whole(u64),
    /// Somebody ended it.
    Stopped,
}

/// Gives the exchanges of a window that are meant to `take`, as they are read, and what it makes of them to `with`, in the
/// order of arrival.
fn each<T: Footprint>(
    config: &TrafficConfig,
    store: &Store,
    window: Window,
    stop: &Stop,
    mut take: impl FnMut(Box<Exchange>) -> Option<T>,
    mut with: impl FnMut(T) -> Result<(), RunError>,
) -> Result<Read, RunError> {
    let mut records = Ordered::open(store, &store.plan(window)?)?;
    let mut unreadable = 0_u64;
    while !stop.is_stopped() {
        let step = records.next(WAIT, &mut |stored| match stored.exchange {
            Err(_) => {
                unreadable += 1;
                Admitted::Unwanted(None)
            }
            Ok(exchange) if window.contains(exchange.arrival) && config.filter.leaves_out(&exchange).is_none() => {
                let arrival = exchange.arrival;
                match take(Box::new(exchange)) {
                    Some(made) => Admitted::Wanted(arrival, made),
                    None => Admitted::Unwanted(Some(arrival)),
                }
            }
            Ok(exchange) => Admitted::Unwanted(Some(exchange.arrival)),
        })?;
        match step {
            Step::Item(_, made) => with(made)?,
            Step::Idle => {}
            Step::End => {
                if unreadable > 0 {
                    tracing::warn!(records = unreadable, "could not be read and are left out");
                }
                return Ok(Read::Whole(unreadable));
            }
        }
    }
    Ok(Read::Stopped)
}

fn list(
    config: &TrafficConfig,
    store: &Store,
    window: Window,
    follow: bool,
    stop: &Stop,
    out: &mut dyn Write,
) -> Result<ExitStatus, RunError> {
    // From before the list, and before what was then still under way, so that nothing falls between the two.
    let since = Timestamp::now().before(SLACK);
    let mut printer = Printer::new(config.output, config.screen);
    let mut listed = HashSet::new();
    let lines = printer.lines();
    let wait = |exchange| Some(Waiting::new(exchange, lines));
    let read = each(config, store, window, stop, wait, |waiting: Waiting| {
        if printer.printed() == 0 {
            printer.header(out)?;
        }
        if follow && waiting.arrival >= since && listed.len() < REMEMBERED {
            listed.insert(waiting.id);
        }
        match waiting.shape {
            Shape::Line(line) => Ok(printer.put(&line, out)?),
            Shape::Whole(exchange) => Ok(printer.listed(&exchange, out)?),
        }
    })?;
    if follow && matches!(read, Read::Whole(_)) {
        let live = following(store, Start::At(since))?;
        if printer.printed() == 0 {
            printer.header(out)?;
        }
        return print_live(config, live, &listed, printer, stop, out);
    }
    let printed = printer.printed();
    if printed > 0 {
        printer.end(out)?;
    }
    Ok(match (read, printed) {
        (Read::Stopped, _) => ExitStatus::Interrupted,
        (Read::Whole(0), 0) => ExitStatus::NothingToSend,
        (Read::Whole(_), 0) => ExitStatus::Failed,
        (Read::Whole(_), _) => ExitStatus::Done,
    })
}

/// An exchange that waits until those that arrived before it have been read.
struct Waiting {
    id: ExchangeId,
    arrival: Timestamp,
    shape: Shape,
}

/// Many wait at once, so one that becomes a line waits as that, which is much smaller.
enum Shape {
    Line(Vec<u8>),
    Whole(Box<Exchange>),
}

impl Footprint for Waiting {
    fn footprint(&self) -> usize {
        match &self.shape {
            Shape::Line(line) => allocated(line.capacity()),
            Shape::Whole(exchange) => exchange.footprint(),
        }
    }
}

impl Waiting {
    fn new(exchange: Box<Exchange>, lines: Option<Lines>) -> Self {
        let (id, arrival) = (exchange.id, exchange.arrival);
        let line = lines.map(|lines| lines.line(&exchange));
        Self { id, arrival, shape: line.map_or_else(|| Shape::Whole(exchange), Shape::Line) }
    }
}

fn top(
    config: &TrafficConfig,
    store: &Store,
    window: Window,
    limit: usize,
    stop: &Stop,
    out: &mut dyn Write,
) -> Result<ExitStatus, RunError> {
    let mut top = Top::default();
    // Whatever their order: none waits.
    let count = |exchange: Box<Exchange>| -> Option<()> {
        top.add(&exchange);
        None
    };
    let read = each(config, store, window, stop, count, |()| Ok(()))?;
    if !top.is_empty() {
        match config.output {
            Output::Json => top.json(limit, out)?,
            _ => top.table(config.screen, limit, out)?,
        }
    }
    Ok(match read {
        Read::Stopped => ExitStatus::Interrupted,
        Read::Whole(0) if top.is_empty() => ExitStatus::NothingToSend,
        Read::Whole(_) if top.is_empty() => ExitStatus::Failed,
        Read::Whole(_) => ExitStatus::Done,
    })
}

/// An id begins with when the request arrived: only that much of the log is read.
fn show(
    config: &TrafficConfig,
    store: &Store,
    id: &IdPrefix,
    stop: &Stop,
    out: &mut dyn Write,
) -> Result<ExitStatus, RunError> {
    let Some(window) = id.window() else { return Err(RunError::UnknownId { id: id.to_string(), window: None }) };
    let mut records = store.read(&store.plan(window)?)?;
    let mut found: Option<Box<Exchange>> = None;
    let mut others: Vec<ExchangeId> = Vec::new();
    while !stop.is_stopped() {
        match records.next(WAIT)? {
            Next::Record(Stored { exchange: Ok(exchange), .. }) if id.is_of(exchange.id) => match &found {
                None => found = Some(Box::new(exchange)),
                // The same record can stand in the log twice.
                Some(first) if first.id == exchange.id => {}
                Some(_) => others.push(exchange.id),
            },
            Next::Record(_) | Next::Idle | Next::PartitionEnd(_) => {}
            Next::End => break,
        }
        if id.is_whole() && found.is_some() || others.len() >= NAMED {
            break;
        }
    }
    match found {
        None if stop.is_stopped() => Ok(ExitStatus::Interrupted),
        None => Err(RunError::UnknownId { id: id.to_string(), window: Some(window) }),
        Some(first) if !others.is_empty() => {
            let ids = std::iter::once(first.id).chain(others).map(|id| id.to_string()).collect::<Vec<_>>();
            Err(RunError::AmbiguousId { id: id.to_string(), ids: ids.join("\n  ") })
        }
        Some(exchange) => {
            let mut printer = Printer::new(config.output, config.screen);
            printer.shown(&exchange, out)?;
            printer.end(out)?;
            Ok(ExitStatus::Done)
        }
    }
}

fn tail(config: &TrafficConfig, store: &Store, stop: &Stop, out: &mut dyn Write) -> Result<ExitStatus, RunError> {
    let mut printer = Printer::new(config.output, config.screen);
    let live = following(store, Start::Latest)?;
    printer.header(out)?;
    print_live(config, live, &HashSet::new(), printer, stop, out)
}

/// A group that nobody else has, and that keeps no position: two people can look at one log.
fn following(store: &Store, start: Start) -> Result<Box<dyn Follow>, RunError> {
    let group = format!("umbra-tail-{}", IdSource::new().next(Timestamp::now()));
    Ok(store.follow(&group, start)?)
}

fn print_live(
    config: &TrafficConfig,
    mut records: Box<dyn Follow>,
    listed: &HashSet<ExchangeId>,
    mut printer: Printer,
    stop: &Stop,
    out: &mut dyn Write,
) -> Result<ExitStatus, RunError> {
    out.flush()?;
    while !stop.is_stopped() {
        match records.next(WAIT)? {
            Next::Record(Stored { exchange: Ok(exchange), .. }) => {
                if config.filter.leaves_out(&exchange).is_none() && !listed.contains(&exchange.id) {
                    printer.listed(&exchange, out)?;
                }
            }
            Next::Record(Stored { exchange: Err(error), .. }) => tracing::warn!(%error, "a record cannot be read"),
            Next::Idle | Next::PartitionEnd(_) | Next::End => out.flush()?,
        }
    }
    printer.end(out)?;
    records.close()?;
    Ok(ExitStatus::Interrupted)
}

#[cfg(test)]
#[path = "look_tests.rs"]
mod tests;
