//! Listing a window, showing one exchange, following the end.

use std::io::{self, Write};
use std::time::Duration;

use umbra_common::exchange::{Exchange, ExchangeId, IdSource};
use umbra_common::store::{Next, Start, Store, Stored};
use umbra_common::time::{Timestamp, Window};

use super::{Output, curl, http, json, table};
use crate::command::{Look, TrafficConfig};
use crate::error::{ExitStatus, RunError};
use crate::merge::{Admitted, Ordered, Step};
use crate::stop::Stop;

/// How long one look into the store may take.
const WAIT: Duration = Duration::from_millis(100);

/// Prints the exchanges that were asked for.
pub fn print(config: &TrafficConfig, stop: &Stop, out: &mut dyn Write) -> Result<ExitStatus, RunError> {
    let store = Store::open(&config.store)?;
    // Many short lines: one write for some of them.
    let mut out = io::BufWriter::new(out);
    let done = match config.look {
        Look::List(window) => list(config, &store, window, stop, &mut out),
        Look::Show(id) => show(config, &store, id, stop, &mut out),
        Look::Tail => tail(config, &store, stop, &mut out),
    };
    let flushed = out.flush().map_err(RunError::Output);
    match done.and_then(|status| flushed.map(|()| status)) {
        // Whoever read this has seen enough, as in `traffic list | head`.
        Err(RunError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitStatus::Done),
        done => done,
    }
}

fn list(
    config: &TrafficConfig,
    store: &Store,
    window: Window,
    stop: &Stop,
    out: &mut dyn Write,
) -> Result<ExitStatus, RunError> {
    let mut records = Ordered::open(store, &store.plan(window)?)?;
    let (mut printed, mut unreadable) = (0_u64, 0_u64);
    while !stop.is_stopped() {
        let step = records.next(WAIT, &mut |stored| match stored.exchange {
            Err(_) => {
                unreadable += 1;
                Admitted::Unwanted(None)
            }
            Ok(exchange) if window.contains(exchange.arrival) && config.filter.leaves_out(&exchange).is_none() => {
                Admitted::Wanted(exchange.arrival, exchange)
            }
            Ok(exchange) => Admitted::Unwanted(Some(exchange.arrival)),
        })?;
        match step {
            Step::Item(_, exchange) => {
                if printed == 0 && config.output == Output::Table {
                    table::header(out)?;
                }
                printed += 1;
                print_listed(config.output, &exchange, out)?;
            }
            Step::Idle => {}
            Step::End => {
                if unreadable > 0 {
                    tracing::warn!(records = unreadable, "could not be read and are not listed");
                }
                return Ok(match (printed, unreadable) {
                    (0, 0) => ExitStatus::NothingToSend,
                    (0, _) => ExitStatus::Failed,
                    _ => ExitStatus::Done,
                });
            }
        }
    }
    Ok(ExitStatus::Interrupted)
}

/// The id says when the request arrived, to the millisecond: only that much of the log is read.
fn show(
    config: &TrafficConfig,
    store: &Store,
    id: ExchangeId,
    stop: &Stop,
    out: &mut dyn Write,
) -> Result<ExitStatus, RunError> {
    let arrival = Timestamp::from_millis(id.millis());
    let unknown = RunError::UnknownId { id, arrival };
    let Ok(window) = Window::new(arrival, Timestamp::from_millis(id.millis().saturating_add(1))) else {
        return Err(unknown);
    };
    let mut records = store.read(&store.plan(window)?)?;
    while !stop.is_stopped() {
        match records.next(WAIT)? {
            Next::Record(Stored { exchange: Ok(exchange), .. }) if exchange.id == id => {
                match config.output {
                    Output::Json => json::whole(&exchange, out)?,
                    Output::Curl => curl::command(&exchange, out)?,
                    Output::Http | Output::Table => http::message(&exchange, out)?,
                }
                return Ok(ExitStatus::Done);
            }
            Next::Record(_) | Next::Idle | Next::PartitionEnd(_) => {}
            Next::End => return Err(unknown),
        }
    }
    Ok(ExitStatus::Interrupted)
}

/// A group that nobody else has, and that keeps no position: two people can look at one log.
fn tail(config: &TrafficConfig, store: &Store, stop: &Stop, out: &mut dyn Write) -> Result<ExitStatus, RunError> {
    let group = format!("umbra-tail-{}", IdSource::new().next(Timestamp::now()));
    let mut records = store.follow(&group, Start::Latest)?;
    if config.output == Output::Table {
        table::header(out)?;
    }
    out.flush()?;
    while !stop.is_stopped() {
        match records.next(WAIT)? {
            Next::Record(Stored { exchange: Ok(exchange), .. }) if config.filter.leaves_out(&exchange).is_none() => {
                print_listed(config.output, &exchange, out)?;
            }
            Next::Record(Stored { exchange: Err(error), .. }) => tracing::warn!(%error, "a record cannot be read"),
            Next::Record(_) => {}
            Next::Idle | Next::PartitionEnd(_) | Next::End => out.flush()?,
        }
    }
    records.close()?;
    Ok(ExitStatus::Interrupted)
}

fn print_listed(output: Output, exchange: &Exchange, out: &mut dyn Write) -> io::Result<()> {
    match output {
        Output::Table => table::row(exchange, out),
        Output::Json => json::short(exchange, out),
        Output::Curl => curl::command(exchange, out),
        Output::Http => http::message(exchange, out).and_then(|()| writeln!(out)),
    }
}

#[cfg(test)]
#[path = "look_tests.rs"]
mod tests;
