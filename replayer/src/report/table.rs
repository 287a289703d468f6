//! The report for people: one screen.

use std::io::{self, Write};

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, Table};

use super::{Quantiles, Report, TargetReport};

/// Prints what came of a run.
pub fn print_table(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY);
    table.set_header([
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
    ]);
    for target in &report.targets {
        let state = |name: &str| target.ledger.state(name).to_string();
        table.add_row([
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
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    writeln!(out, "{table}")?;
    for target in &report.targets {
        details(target, out)?;
    }
    writeln!(out, "{:.3} s{}", report.seconds, if report.interrupted { ", interrupted" } else { "" })?;
    for crossed in &report.crossed {
        writeln!(out, "gate crossed: {crossed}")?;
    }
    out.flush()
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
    if let Some(lowest) = target.spared.lowest_rate {
        let (times, seconds) = (target.spared.lowered, target.spared.seconds);
        writeln!(
            out,
            "  spared by --pace-with: lowered {times} times, down to {lowest:.1}/s, limited for {seconds:.0} s"
        )?;
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
    for failure in &target.failures {
        writeln!(out, "  failed: {failure}")?;
    }
    Ok(())
}

fn quantiles(of: Option<Quantiles>) -> String {
    of.map_or_else(|| "–".into(), |q| format!("{:.2} / {:.2} / {:.1}", q.p50_ms, q.p99_ms, q.max_ms))
}

fn share(of: Option<f64>) -> String {
    of.map_or_else(|| "–".into(), |share| format!("{:.2} %", share * 100.0))
}
