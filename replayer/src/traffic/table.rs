//! Exchanges as lines of a table. The widths are fixed, because the table is printed while it is read.

use std::io::{self, Write};
use std::time::Duration;

use umbra_common::exchange::Exchange;
use umbra_common::time::Timestamp;

use super::escape;

const HOST: usize = 24;
const PATH: usize = 40;

/// The names of the columns.
pub(super) fn header(out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "{:<24}  {:<7}  {:<HOST$}  {:<PATH$}  {:>6}  {:>9}  {:>9}  ID",
        "TIME", "METHOD", "HOST", "PATH", "STATUS", "DURATION", "SIZE"
    )
}

/// One exchange on one line.
pub(super) fn row(exchange: &Exchange, out: &mut dyn Write) -> io::Result<()> {
    let request = &exchange.request;
    let status = match &exchange.response {
        Some(response) => response.status.to_string(),
        None => "–".into(),
    };
    writeln!(
        out,
        "{:<24}  {:<7}  {:<HOST$}  {:<PATH$}  {status:>6}  {:>9}  {:>9}  {}",
        milliseconds(exchange.arrival),
        escape::line(&request.method),
        short(&escape::line(&request.authority), HOST),
        short(&escape::line(&request.target), PATH),
        duration(exchange.total),
        request.body.length,
        exchange.id
    )
}

/// The instant to a millisecond, always as wide.
fn milliseconds(at: Timestamp) -> String {
    let whole = Timestamp::from_nanos(at.as_nanos() / NANOS_PER_SECOND * NANOS_PER_SECOND).to_string();
    let millis = at.as_nanos() / NANOS_PER_MILLI % 1000;
    format!("{}.{millis:03}Z", whole.trim_end_matches('Z'))
}

const NANOS_PER_SECOND: u64 = 1_000_000_000;
const NANOS_PER_MILLI: u64 = 1_000_000;

fn duration(of: Duration) -> String {
    if of < Duration::from_secs(10) {
        format!("{:.2} ms", of.as_secs_f64() * 1e3)
    } else {
        format!("{:.1} s", of.as_secs_f64())
    }
}

fn short(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exchange_is_one_line_whatever_is_in_it() {
        let mut exchange = crate::testing::exchange("/a\nb", Duration::from_millis(70));
        exchange.request.authority = bytes::Bytes::from_static(b"a-very-long-host-name.example.com");
        let mut out = Vec::new();
        header(&mut out).unwrap();
        row(&exchange, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().count(), 2);
        assert!(text.contains("2023-11-14T22:13:20.070Z"), "{text}");
        assert!(text.contains("/a\\nb") && text.contains("a-very-long-host-name.e…"), "{text}");
        let columns: Vec<_> = text.lines().map(|l| l.chars().position(|c| c == 'I').unwrap_or(0)).collect();
        assert!(text.lines().nth(1).unwrap().ends_with(&exchange.id.to_string()), "{columns:?}");
    }
}
