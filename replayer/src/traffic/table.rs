//! Exchanges as lines of a table. The widths are known before the first line, because the table is printed while it is
//! read.

use std::io::{self, Write};
use std::time::Duration;

use umbra_common::exchange::Exchange;
use umbra_common::time::Timestamp;

use super::escape;
use super::screen::{Colour, Screen};

/// The columns' widths, for one screen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns {
    screen: Screen,
    time: usize,
    host: usize,
    path: usize,
    id: usize,
}

/// Between two columns.
const GAP: &str = "  ";
/// Those of the columns that never change: method, status, duration and size, with the gaps around path and id.
const FIXED: usize = 7 + 6 + 9 + 9 + 6 * GAP.len();
/// A whole date and time.
const TIME: usize = 24;
/// The time of day.
const SHORT_TIME: usize = 12;
/// A whole id.
const ID: usize = 32;
/// As much of an id as tells it from every other of its millisecond, nearly always; `show` completes it.
const SHORT_ID: usize = 16;
/// The millisecond of an id.
const SHORTEST_ID: usize = 12;

impl Columns {
    pub(super) fn new(screen: Screen) -> Self {
        let Some(width) = screen.width else { return Self { screen, time: TIME, host: 24, path: 40, id: ID } };
        // On a narrow screen a part of the id goes first, then the date, then the host.
        let (time, host, id) = match width {
            150.. => (TIME, 32, ID),
            120.. => (TIME, 20, SHORT_ID),
            100.. => (SHORT_TIME, 16, SHORT_ID),
            _ => (SHORT_TIME, 0, SHORTEST_ID),
        };
        let gap = if host == 0 { 0 } else { GAP.len() };
        let path = width.saturating_sub(FIXED + time + host + gap + id).max(8);
        Self { screen, time, host, path, id }
    }

    /// The names of the columns.
    pub(super) fn header(self, out: &mut dyn Write) -> io::Result<()> {
        let Self { time, path, id, .. } = self;
        let names = format!(
            "{:<time$}  {:<7}  {}{:<path$}  {:>6}  {:>9}  {:>9}  {:<id$}",
            "TIME",
            "METHOD",
            self.host("HOST"),
            "PATH",
            "STATUS",
            "DURATION",
            "SIZE",
            "ID"
        );
        writeln!(out, "{}", self.screen.paint(Colour::Faint, names.trim_end()))
    }

    /// The column that a narrow screen has no room for, with the gap behind it.
    fn host(self, text: &str) -> String {
        let width = self.host;
        if width == 0 { String::new() } else { format!("{:<width$}{GAP}", short(text, width)) }
    }

    /// One exchange on one line.
    pub(super) fn row(self, exchange: &Exchange, out: &mut dyn Write) -> io::Result<()> {
        let path = self.path;
        let request = &exchange.request;
        let status = exchange.response.as_ref().map(|response| response.status);
        let shown = format!("{:>6}", status.map_or_else(|| "–".to_owned(), |status| status.to_string()));
        let time = milliseconds(exchange.arrival);
        let id = exchange.id.to_string();
        writeln!(
            out,
            "{}  {:<7}  {}{:<path$}  {}  {:>9}  {:>9}  {}",
            // The date and its T stand before the time of day.
            if self.time == TIME { &time[..] } else { &time[11..11 + SHORT_TIME] },
            short(&escape::line(&request.method), 7),
            self.host(&escape::line(&request.authority)),
            short(&escape::line(&request.target), path),
            self.screen.paint(Colour::of_status(status), &shown),
            duration(exchange.total),
            request.body.length,
            &id[..self.id.min(id.len())]
        )
    }
}

/// The instant to a millisecond, always as wide.
fn milliseconds(at: Timestamp) -> String {
    let whole = Timestamp::from_nanos(at.as_nanos() / NANOS_PER_SECOND * NANOS_PER_SECOND).to_string();
    let millis = at.as_nanos() / NANOS_PER_MILLI % 1000;
    format!("{}.{millis:03}Z", whole.trim_end_matches('Z'))
}

const NANOS_PER_SECOND: u64 = 1_000_000_000;
const NANOS_PER_MILLI: u64 = 1_000_000;

pub(super) fn duration(of: Duration) -> String {
    if of < Duration::from_secs(10) {
        format!("{:.2} ms", of.as_secs_f64() * 1e3)
    } else {
        format!("{:.1} s", of.as_secs_f64())
    }
}

pub(super) fn short(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(screen: Screen) -> String {
        let mut exchange = crate::testing::exchange("/a\nb", Duration::from_millis(70));
        exchange.request.authority = bytes::Bytes::from_static(b"a-very-long-host-name.example.com");
        let mut out = Vec::new();
        let columns = Columns::new(screen);
        columns.header(&mut out).unwrap();
        columns.row(&exchange, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_exchange_is_one_line_whatever_is_in_it() {
        let text = printed(Screen::default());
        assert_eq!(text.lines().count(), 2);
        assert!(text.contains("2023-11-14T22:13:20.070Z"), "{text}");
        assert!(text.contains("/a\\nb") && text.contains("a-very-long-host-name.e…"), "{text}");
        let id = crate::testing::exchange("/a\nb", Duration::from_millis(70)).id.to_string();
        assert!(text.trim_end().ends_with(&id), "{text}");
        assert!(!text.contains('\x1b'));
    }

    #[test]
    fn a_line_fits_the_terminal_and_its_columns_stand_below_their_names() {
        for width in [80, 100, 120, 160, 300] {
            let text = printed(Screen { width: Some(width), colours: false });
            let widths: Vec<_> = text.lines().map(|line| line.chars().count()).collect();
            assert!(widths.iter().all(|w| *w <= width), "{width}: {widths:?}\n{text}");
            let at = |line: usize, word: &str| {
                let line: Vec<char> = text.lines().nth(line).unwrap().chars().collect();
                let word: Vec<char> = word.chars().collect();
                line.windows(word.len()).position(|w| w == word).unwrap()
            };
            assert_eq!((at(0, "METHOD"), at(0, "PATH")), (at(1, "GET"), at(1, "/a")), "{text}");
        }
    }

    #[test]
    fn colours_are_for_terminals() {
        let text = printed(Screen { width: Some(120), colours: true });
        assert!(text.contains("\x1b[32m   200\x1b[0m"), "{text:?}");
    }
}
