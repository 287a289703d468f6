//! The report for people: one screen.

use std::io::{self, Write};

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, ContentArrangement, Table};

use super::{Quantiles, Report, TargetReport};

/// Prints what came of a run, on a terminal no wider than that is.
pub fn print_table(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let width = terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0));
    print(report, width, out)
}

fn print(report: &Report, width: Option<usize>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", overview(report, width))?;
    for target in &report.targets {
        details(target, out)?;
    }
    writeln!(out, "{:.3} s{}", report.seconds, if report.interrupted { ", interrupted" } else { "" })?;
    for crossed in &report.crossed {
        writeln!(out, "gate crossed: {crossed}")?;
    }
    out.flush()
}

/// A row for each target, or a column where rows would not fit.
fn overview(report: &Report, width: Option<usize>) -> Table {
    let rows: Vec<_> = std::iter::once(NAMES.map(str::to_owned)).chain(report.targets.iter().map(row)).collect();
    let wide = table(rows.iter().map(|row| row.to_vec()));
    let Some(width) = width.filter(|width| wide.lines().any(|line| line.chars().count() > *width)) else { return wide };
    let column = |n: usize| rows.iter().map(|row| row[n].clone()).collect();
    let mut narrow = table((0..NAMES.len()).map(column));
    // With more targets than fit, cells wrap.
    narrow.set_content_arrangement(ContentArrangement::Dynamic);
    narrow.set_width(u16::try_from(width).unwrap_or(u16::MAX));
    narrow
}

const NAMES: [&str; 10] = [
    "target",
    "answered",
    "failed",
    "skipped",
    "dropped",
    "rate/s",
    "lag p50/p99/max ms",
    "latency p50/p99/max ms",
    "errors",
    "changed",
];

fn row(target: &TargetReport) -> [String; NAMES.len()] {
    let state = |name: &str| target.ledger.state(name).to_string();
    [
        target.name.clone(),
        state("answered"),
        state("failed"),
        state("skipped"),
        state("dropped"),
        format!("{:.1}", target.mean_rate),
        quantiles(target.lag),
        quantiles(target.latency),
        share(target.error_rate),
        share(target.status_changed),
    ]
}

fn table(mut rows: impl Iterator<Item = Vec<String>>) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY);
    table.set_content_arrangement(ContentArrangement::Disabled);
    if let Some(names) = rows.next() {
        table.set_header(names);
    }
    table.add_rows(rows);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn details(target: &TargetReport, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{} {}: {}", target.name, target.url, target.ledger)?;
    let statuses: Vec<_> = target.statuses.iter().map(|(status, n)| format!("{status} × {n}")).collect();
    let grpc = target.grpc_statuses.iter().map(|(status, n)| format!("grpc {status} × {n}"));
    let all: Vec<_> = statuses.into_iter().chain(grpc).collect();
    if !all.is_empty() {
        writeln!(out, "  answers: {}", all.join(", "))?;
    }
    let changed = target.status_matrix.iter().filter(|p| p.recorded != p.shadow);
    let changed: Vec<_> = changed.map(|p| format!("{} → {} × {}", p.recorded, p.shadow, p.count)).collect();
    if !changed.is_empty() {
        writeln!(out, "  changed: {}", changed.join(", "))?;
    }
    if let Some(drift) = target.drift {
        writeln!(out, "  drift: {:+.3} %", drift * 100.0)?;
    }
    if target.late > 0 {
        writeln!(out, "  out of order: {} came later in the log than the look-ahead allows", target.late)?;
    }
    if let Some(gone) = target.gone.filter(|gone| *gone > 0) {
        writeln!(out, "  gone before they were read: {gone}, removed from the log by its retention")?;
    }
    if let Some(lowest) = target.spared.lowest_rate {
        let (times, seconds) = (target.spared.lowered, target.spared.seconds);
        writeln!(
            out,
            "  spared by --pace-with: lowered {times} times, down to {lowest:.1}/s, limited for {seconds:.0} s"
        )?;
    }
    if target.breaker.opened > 0 {
        let (times, seconds) = (target.breaker.opened, target.breaker.seconds);
        writeln!(out, "  breaker: opened {times} times, only probes were sent for {seconds:.1} s")?;
    }
    for rule in &target.changes {
        let unchanged = [(rule.not_json, "no JSON"), (rule.encoded, "compressed")];
        let unchanged =
            unchanged.iter().filter(|(n, _)| *n > 0).map(|(n, why)| format!(", {n} left as they were: {why}"));
        writeln!(out, "  {}: {} changed{}", rule.rule, rule.changed, unchanged.collect::<String>())?;
    }
    for carry in &target.carried {
        writeln!(out, "  carry {}: {} taken, put into {} requests", carry.rule, carry.taken, carry.replaced)?;
    }
    let mut said: Vec<&str> = Vec::new();
    for failure in &target.failures {
        if !said.contains(&failure.as_str()) {
            said.push(failure);
            writeln!(out, "  failed: {failure}")?;
        }
    }
    Ok(())
}

fn quantiles(of: Option<Quantiles>) -> String {
    of.map_or_else(|| "–".into(), |q| format!("{:.2} / {:.2} / {:.1}", q.p50_ms, q.p99_ms, q.max_ms))
}

fn share(of: Option<f64>) -> String {
    of.map_or_else(|| "–".into(), |share| format!("{:.2} %", share * 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(name: &str) -> TargetReport {
        let q = Quantiles { p50_ms: 12.34, p90_ms: 20.0, p99_ms: 123.45, p999_ms: 200.0, max_ms: 9999.9 };
        let failures = vec!["no whole answer within --timeout".to_owned(); 10];
        TargetReport { name: name.into(), latency: Some(q), lag: Some(q), failures, ..TargetReport::default() }
    }

    fn printed(targets: &[&str], width: Option<usize>) -> String {
        let report = Report { targets: targets.iter().map(|name| target(name)).collect(), ..Report::default() };
        let mut out = Vec::new();
        print(&report, width, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_result_fits_the_terminal_and_no_word_is_broken() {
        for (targets, width) in [(&["staging"][..], 80), (&["staging", "canary"], 80), (&["a", "b", "c"], 120)] {
            let text = printed(targets, Some(width));
            assert!(text.lines().all(|line| line.chars().count() <= width), "{width}\n{text}");
            for word in targets.iter().chain(&NAMES) {
                assert!(text.contains(word), "'{word}' is missing in\n{text}");
            }
        }
        let rows = printed(&["staging"], Some(200));
        assert!(rows.lines().any(|line| line.contains("answered") && line.contains("changed")), "{rows}");
        assert_eq!(rows, printed(&["staging"], None), "what is no terminal has no width");
    }

    #[test]
    fn a_failure_is_said_once() {
        assert_eq!(printed(&["staging"], None).matches("no whole answer").count(), 1);
    }
}
