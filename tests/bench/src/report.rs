//! The table, and below it the figures that the design sets bounds for.

use std::fmt::Write;
use std::time::Duration;

use comfy_table::{CellAlignment, LineStyle, Table, TableStyle};

use crate::contender::Kind;
use crate::figures::Figures;
use crate::median::Spread;
use crate::work::Work;

/// One rule under the header, one under the last row.
pub const RULES: TableStyle = TableStyle::new()
    .header_separator(LineStyle::none().fill('─').junction('─'))
    .bottom_border(LineStyle::none().fill('─').junction('─'));

/// Everything that was measured, as text.
pub fn text(all: &[Figures]) -> String {
    let mut text = format!("{}\n", lines(&mut table(all), 1));
    for line in derived(all).iter().chain(&losses(all)) {
        let _ = writeln!(text, "{line}");
    }
    text
}

/// A table as text: figures, behind the first `names` columns, to the right; no padding at the ends of lines.
pub fn lines(table: &mut Table, names: usize) -> String {
    for column in table.column_iter_mut().skip(names) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

fn table(all: &[Figures]) -> Table {
    let mut table = Table::new();
    table.load_style(RULES).set_header([
        "proxy",
        "requests/s",
        "p50 µs",
        "p99 µs",
        "CPU µs/request",
        "requests/s/core",
        "× nginx",
        "× Envoy",
        "RSS MiB",
        "failed",
        "dropped",
    ]);
    for row in all {
        let ratio = |to| row.cpu_ratio(to, all).map_or_else(|| "-".into(), |r| format!("{r:.2}"));
        table.add_row([
            format!("{}{}", row.kind, row.work.suffix()),
            format!("{:.0}", row.rate),
            format!("{:.0}", micros(row.p50)),
            format!("{:.0}", micros(row.p99)),
            format!("{:.2}", micros(row.cpu)),
            format!("{:.0}", row.per_core()),
            ratio(Kind::Nginx),
            ratio(Kind::Envoy),
            format!("{:.1}", row.resident as f64 / f64::from(1 << 20)),
            row.failed.to_string(),
            if row.kind.records() { row.dropped.to_string() } else { "-".into() },
        ]);
    }
    table
}

/// What the design bounds: each line only where both of its sides were measured.
fn derived(all: &[Figures]) -> Vec<String> {
    let mut lines = Vec::new();
    for work in Work::ALL {
        let find = |kind| all.iter().find(|f| f.kind == kind && f.work == work);
        for (kind, bound) in [(Kind::UmbraKafka, "bound: 4; "), (Kind::UmbraSqlite, "")] {
            let Some(recording) = find(kind) else { continue };
            if let Some(own) = find(Kind::UmbraOff).and_then(|off| recording.cpu_over(off)) {
                // A time says as much of the machine: a peer's in the same minutes is what it can be held against.
                let part = find(Kind::Nginx).map(|peer| own.median / micros(peer.cpu));
                let part = part.map_or_else(String::new, |part| format!(", {part:.2} × what nginx takes for one"));
                let Spread { median, low, high } = own;
                lines.push(format!(
                    "{work}: {kind}: the recording itself costs {median:.2} µs of CPU per request ({bound}half of the rounds: {low:.2} to \
                     {high:.2}){part}"
                ));
            }
            let peers = [(Kind::Nginx, 1.6), (Kind::Envoy, 0.65)].into_iter().filter_map(|(peer, bound)| {
                let bound = if kind == Kind::UmbraKafka { format!(" (bound: {bound})") } else { String::new() };
                Some(format!("{:.2} × {peer}{bound}", recording.cpu_ratio(peer, all)?))
            });
            let peers: Vec<_> = peers.collect();
            if !peers.is_empty() {
                lines.push(format!("{work}: {kind}: CPU per request is {}", peers.join(" and ")));
            }
            if let Some(ratio) = recording.cpu_ratio(Kind::Nginx, all).map(f64::recip) {
                lines.push(format!("{work}: {kind}: requests/s per core used are {ratio:.2} × nginx's (bound: 0.75)"));
            }
        }
    }
    lines
}

/// What makes a figure worth less than it looks.
fn losses(all: &[Figures]) -> Vec<String> {
    let name = |f: &Figures| format!("{}{}", f.kind, f.work.suffix());
    let dropped = all.iter().filter(|f| f.dropped > 0);
    let failed = all.iter().filter(|f| f.failed > 0);
    dropped
        .map(|f| format!("{} dropped {} records: what it did not store cost it nothing", name(f), f.dropped))
        .chain(failed.map(|f| format!("{}: {} requests failed", name(f), f.failed)))
        .collect()
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(kind: Kind, us: u64, dropped: u64) -> Figures {
        let time = Duration::from_micros(us);
        Figures {
            kind,
            work: Work::Http1,
            rate: 50_000.0,
            p50: time,
            p99: time,
            cpu: time,
            cpus: vec![time],
            resident: 1 << 20,
            failed: 0,
            dropped,
        }
    }

    #[test]
    fn the_recordings_own_cost_and_the_ratios_stand_below_the_table() {
        let all = [
            figures(Kind::UmbraOff, 16, 0),
            figures(Kind::UmbraKafka, 18, 0),
            figures(Kind::Nginx, 12, 0),
            figures(Kind::Envoy, 40, 0),
        ];
        let text = text(&all);
        assert!(
            text.contains(
                "Umbra, 100 % to Kafka: the recording itself costs 2.00 µs of CPU per request (bound: 4; half of the rounds: 2.00 to 2.00), 0.17 × what nginx takes for one"
            ),
            "{text}"
        );
        assert!(text.contains("1.50 × nginx (bound: 1.6) and 0.45 × Envoy (bound: 0.65)"), "{text}");
        assert!(!text.contains("SQLite") && !text.contains("HTTP/2"), "{text}");
    }

    #[test]
    fn a_run_that_dropped_records_says_so() {
        let text = text(&[figures(Kind::UmbraKafka, 18, 7)]);
        assert!(text.contains("dropped 7 records"), "{text}");
    }
}
