//! Counts by endpoint: paths whose ids are taken for one, with rates, statuses and latencies.

use std::collections::HashMap;
use std::io::{self, Write};
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;
use umbra_common::exchange::Exchange;
use umbra_common::time::Timestamp;

use super::escape;
use super::screen::{Colour, Screen};
use super::table::{duration, short};

/// As many endpoints are told apart: with about ten kilobytes each, ten megabytes. Further ones are counted together.
const ENDPOINTS: usize = 1000;
/// What all endpoints beyond that are called.
const OTHERS: &str = "(others)";
/// Two significant digits of a latency are all that is printed.
const DIGITS: u8 = 2;

/// What was counted in a stretch of traffic.
#[derive(Debug, Default)]
pub(super) struct Top {
    endpoints: HashMap<(String, String), Endpoint>,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
}

#[derive(Debug)]
struct Endpoint {
    count: u64,
    /// How many requests those recorded stand for, with the share that was sampled.
    stands_for: f64,
    /// By hundreds; `[0]` counts exchanges without a recorded answer.
    statuses: [u64; 6],
    /// In microseconds.
    took: Option<Histogram<u64>>,
}

/// In microseconds; no exchange takes longer.
const HOUR: u64 = 3_600_000_000;

/// One endpoint, for programs.
#[derive(Debug, Serialize)]
struct Line<'a> {
    method: &'a str,
    path: &'a str,
    count: u64,
    rate_per_second: Option<f64>,
    statuses: HashMap<String, u64>,
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
}

impl Top {
    pub(super) fn add(&mut self, exchange: &Exchange) {
        let request = &exchange.request;
        let key = (escape::line(&request.method), template(request.path()));
        let is_new = self.endpoints.len() >= ENDPOINTS && !self.endpoints.contains_key(&key);
        let key = if is_new { ("*".to_owned(), OTHERS.to_owned()) } else { key };
        let endpoint = self.endpoints.entry(key).or_insert_with(|| Endpoint {
            count: 0,
            stands_for: 0.0,
            statuses: [0; 6],
            took: Histogram::new(DIGITS).ok(),
        });
        endpoint.count += 1;
        endpoint.stands_for += 1.0 / exchange.sampled_at.as_f64().max(f64::MIN_POSITIVE);
        let status = exchange.response.as_ref().map_or(0, |response| usize::from(response.status / 100));
        endpoint.statuses[if status < 6 { status } else { 0 }] += 1;
        if let Some(took) = &mut endpoint.took {
            // It grows by itself, and an hour is far from what it could not hold.
            let _ = took.record(u64::try_from(exchange.total.as_micros()).unwrap_or(HOUR).min(HOUR));
        }
        self.first = Some(self.first.map_or(exchange.arrival, |first| first.min(exchange.arrival)));
        self.last = self.last.max(Some(exchange.arrival));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.endpoints.is_empty()
    }

    /// The endpoints, the busiest first.
    fn sorted(&self) -> Vec<(&(String, String), &Endpoint)> {
        let mut all: Vec<_> = self.endpoints.iter().collect();
        all.sort_by(|a, b| b.1.stands_for.total_cmp(&a.1.stands_for).then_with(|| a.0.cmp(b.0)));
        all
    }

    /// Requests per second that were received, those left out by sampling included.
    fn rate(&self, endpoint: &Endpoint) -> Option<f64> {
        let span = self.last?.since(self.first?).as_secs_f64();
        (span > 0.0).then(|| endpoint.stands_for / span)
    }

    /// A table of the busiest.
    pub(super) fn table(&self, screen: Screen, limit: usize, out: &mut dyn Write) -> io::Result<()> {
        /// Below this width the median goes, and room for rare statuses.
        const NARROW: usize = 100;
        let is_narrow = screen.width.is_some_and(|width| width < NARROW);
        let mix = if is_narrow { 16 } else { 26 };
        let median = |of: &str| if is_narrow { String::new() } else { format!("  {of:>9}") };
        // Everything but the path, with two spaces between columns.
        let fixed = 7 + 9 + 9 + mix + 9 + 5 * 2 + median("").len();
        let path = screen.width.map_or(48, |width| width.saturating_sub(fixed).max(16));
        let (method, statuses) = ("METHOD", "STATUSES");
        let names = format!(
            "{method:<7}  {:<path$}  {:>9}  {:>9}  {statuses:<mix$}{}  {:>9}",
            "PATH",
            "COUNT",
            "RATE/S",
            median("P50"),
            "P99"
        );
        writeln!(out, "{}", screen.paint(Colour::Faint, &names))?;
        let all = self.sorted();
        for ((method, template), endpoint) in all.iter().take(limit) {
            let rate = self.rate(endpoint).map_or_else(|| "–".to_owned(), |rate| format!("{rate:.1}"));
            let took = |quantile| endpoint.took(quantile).map_or_else(String::new, duration);
            writeln!(
                out,
                "{:<7}  {:<path$}  {:>9}  {rate:>9}  {:<mix$}{}  {:>9}",
                short(method, 7),
                short(template, path),
                endpoint.count,
                short(&endpoint.mix(), mix),
                median(&took(0.5)),
                took(0.99),
            )?;
        }
        if all.len() > limit {
            writeln!(out, "… and {} more: --limit shows them", all.len() - limit)?;
        }
        Ok(())
    }

    /// One object a line, all of them up to the limit.
    pub(super) fn json(&self, limit: usize, out: &mut dyn Write) -> io::Result<()> {
        let millis = |of: Duration| of.as_secs_f64() * 1e3;
        for ((method, path), endpoint) in self.sorted().into_iter().take(limit) {
            let statuses = endpoint.classes().collect();
            let line = Line {
                method,
                path,
                count: endpoint.count,
                rate_per_second: self.rate(endpoint),
                statuses,
                p50_ms: endpoint.took(0.5).map(millis),
                p99_ms: endpoint.took(0.99).map(millis),
            };
            serde_json::to_writer(&mut *out, &line)?;
            out.write_all(b"\n")?;
        }
        Ok(())
    }
}

impl Endpoint {
    fn classes(&self) -> impl Iterator<Item = (String, u64)> {
        let named = self.statuses.iter().enumerate().filter(|(_, count)| **count > 0);
        named.map(|(class, count)| (if class == 0 { "none".to_owned() } else { format!("{class}xx") }, *count))
    }

    /// As in `2xx 98 % 5xx 2 %`.
    fn mix(&self) -> String {
        let share = |count: u64| count as f64 / self.count as f64 * 100.0;
        self.classes().map(|(name, count)| format!("{name} {:.0} %", share(count))).collect::<Vec<_>>().join(" ")
    }

    fn took(&self, quantile: f64) -> Option<Duration> {
        self.took.as_ref().map(|took| Duration::from_micros(took.value_at_quantile(quantile)))
    }
}

/// The path with every segment that looks like an id replaced by `{id}`.
fn template(path: &[u8]) -> String {
    let segments = path.split(|b| *b == b'/');
    segments
        .map(|segment| if is_id(segment) { "{id}".to_owned() } else { escape::line(segment) })
        .collect::<Vec<_>>()
        .join("/")
}

/// A number, a UUID, a long run of hexadecimal digits, or a long word with digits in it.
fn is_id(segment: &[u8]) -> bool {
    /// A shorter word is more often a name: `v1`, `deadbeef`, `oauth2`.
    const LONG: usize = 16;
    /// Hexadecimal digits are none of a name's from here on.
    const HEX: usize = 8;
    let digits = segment.iter().filter(|b| b.is_ascii_digit()).count();
    let all = |fits: fn(u8) -> bool| segment.iter().all(|b| fits(*b));
    let is_number = digits > 0 && digits == segment.len();
    let is_hex = digits > 0 && segment.len() >= HEX && all(|b| b.is_ascii_hexdigit() || b == b'-');
    let is_token =
        digits > 1 && segment.len() >= LONG && all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    is_number || is_hex || is_token
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::exchange;

    #[test]
    fn what_looks_like_an_id_is_one() {
        let of = |path: &str| template(path.as_bytes());
        assert_eq!(of("/v1/users/42/orders"), "/v1/users/{id}/orders");
        assert_eq!(of("/a/3fa85f64-5717-4562-b3fc-2c963f66afa6"), "/a/{id}");
        assert_eq!(of("/a/deadbee1/oauth2/x"), "/a/{id}/oauth2/x");
        assert_eq!(of("/t/eyJhbGciOiJIUzI1NiJ9"), "/t/{id}");
        assert_eq!(of("/a-long-name-without-digits/"), "/a-long-name-without-digits/");
        assert_eq!(of("/"), "/");
    }

    #[test]
    fn endpoints_are_counted_with_what_they_stand_for() {
        let mut top = Top::default();
        for n in 0..10_u64 {
            let mut exchange = exchange(&format!("/orders/{n}"), Duration::from_millis(n * 1000));
            exchange.sampled_at = "10%".parse().unwrap();
            exchange.response.as_mut().unwrap().status = if n == 9 { 503 } else { 200 };
            exchange.total = Duration::from_millis(if n == 9 { 320 } else { 80 });
            top.add(&exchange);
        }
        let mut other = exchange("/once", Duration::from_secs(1));
        other.response = None;
        top.add(&other);
        let mut out = Vec::new();
        top.json(10, &mut out).unwrap();
        let lines: Vec<serde_json::Value> =
            out.split(|b| *b == b'\n').filter_map(|l| serde_json::from_slice(l).ok()).collect();
        assert_eq!((lines[0]["path"].as_str(), lines[0]["count"].as_u64()), (Some("/orders/{id}"), Some(10)));
        assert!((lines[0]["rate_per_second"].as_f64().unwrap() - 100.0 / 9.0).abs() < 1e-9);
        assert_eq!(lines[0]["statuses"], serde_json::json!({ "2xx": 9, "5xx": 1 }));
        let millis = |key: &str| lines[0][key].as_f64().unwrap();
        assert!((millis("p50_ms") - 80.0).abs() < 2.0 && (millis("p99_ms") - 320.0).abs() < 4.0, "{}", lines[0]);
        assert_eq!(lines[1]["statuses"], serde_json::json!({ "none": 1 }));
        let mut out = Vec::new();
        top.table(Screen { width: Some(120), colours: false }, 1, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("2xx 90 % 5xx 10 %") && text.contains("… and 1 more"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
    }

    #[test]
    fn memory_is_bounded_by_the_number_of_endpoints() {
        let mut top = Top::default();
        for n in 0..2 * ENDPOINTS {
            let letters: String = n.to_string().bytes().map(|digit| (digit + 49) as char).collect();
            top.add(&exchange(&format!("/{letters}"), Duration::ZERO));
        }
        assert_eq!(top.endpoints.len(), ENDPOINTS + 1);
    }
}
