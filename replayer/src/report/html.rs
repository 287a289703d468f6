//! The report as one page that can be sent around: no network, no other file, no script.

use std::collections::BTreeSet;

use maud::{DOCTYPE, Markup, PreEscaped, html as markup};

use super::chart::{Line, chart};
use super::{Quantiles, Report, Sample, TargetReport};

/// The page.
pub fn html(report: &Report) -> String {
    let title = format!("Shadow replay, {}", moment(&report.started, 0));
    let page = markup! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                // Whatever a recorded request has in it, nothing of it is ever run or fetched.
                meta http-equiv="content-security-policy" content="default-src 'none'; style-src 'unsafe-inline'";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { (title) }
                (verdict(report))
                dl {
                    @if let Some(window) = &report.window { dt { "window" } dd { (moment(&window.from, 3)) " to " (moment(&window.to, 3)) } }
                    dt { "pace" } dd { (report.pace) }
                    @if let Some(job) = &report.job { dt { "job" } dd { (job.name) @if job.resumed { ", resumed" } } }
                    dt { "took" } dd { (format!("{:.1} s", report.seconds)) }
                }
                @for target in &report.targets { (of_target(target)) }
            }
        }
    };
    page.into_string()
}

fn verdict(report: &Report) -> Markup {
    markup! {
        @if let Some(error) = &report.error { p.bad { "Not finished: " (error) } }
        @if report.interrupted { p.bad { "Interrupted before its end." } }
        @for gate in &report.crossed { p.bad { "Gate crossed: " (gate) } }
    }
}

fn of_target(target: &TargetReport) -> Markup {
    let rates = |counts: &[u32]| counts.iter().map(|n| f64::from(*n)).collect::<Vec<_>>();
    let (sent, due) = (rates(&target.per_second), rates(&target.due_per_second));
    markup! {
        section {
            h2 { (target.name) " " small { (target.url) } }
            div.tiles {
                (tile("answered", &target.ledger.state("answered").to_string()))
                (tile("failed", &target.ledger.state("failed").to_string()))
                (tile("errors", &share(target.error_rate)))
                (tile("status changed", &share(target.status_changed)))
                (tile("rate", &format!("{:.1}/s", target.mean_rate)))
                (tile("drift", &target.drift.map_or_else(none, |drift| format!("{:+.3} %", drift * 100.0))))
            }
            p.ledger { (target.ledger) }
            (losses(target))
            (chart("Requests each second", &[
                Line { name: "scheduled", class: "due", values: &due },
                Line { name: "sent", class: "sent", values: &sent },
            ]))
            (chart("Longest lag in each second, ms", &[
                Line { name: "lag", class: "lag", values: &target.lag_ms_per_second },
            ]))
            h3 { "Times, ms" }
            (bars(target))
            table {
                tr { th { "" } th { "p50" } th { "p90" } th { "p99" } th { "p99.9" } th { "longest" } }
                (times("recorded, production", target.recorded_latency))
                (times("shadow, the target", target.latency))
                (times("lag behind schedule", target.lag))
            }
            (matrix(target))
            (rules(target))
            (samples("Slowest", &target.slowest))
            (samples("Failed, or answered otherwise than in production", &target.failing))
        }
    }
}

/// What was never tried, and why.
fn losses(target: &TargetReport) -> Markup {
    let (opened, seconds) = (target.breaker.opened, target.breaker.seconds);
    markup! {
        @if opened > 0 { p.bad { "The breaker opened " (opened) " times; only probes were sent for " (format!("{seconds:.1} s.")) } }
        @if let Some(gone) = target.gone.filter(|gone| *gone > 0) {
            p.bad { (gone) " positions were removed from the log before they were read." }
        }
    }
}

fn none() -> String {
    "–".to_owned()
}

fn tile(name: &str, value: &str) -> Markup {
    markup! { div { b { (value) } span { (name) } } }
}

fn share(of: Option<f64>) -> String {
    of.map_or_else(none, |share| format!("{:.2} %", share * 100.0))
}

fn times(name: &str, of: Option<Quantiles>) -> Markup {
    markup! {
        @if let Some(q) = of {
            tr {
                th { (name) }
                @for ms in [q.p50_ms, q.p90_ms, q.p99_ms, q.p999_ms, q.max_ms] { td { (format!("{ms:.2}")) } }
            }
        }
    }
}

/// Recorded statuses down, shadow statuses across.
fn matrix(target: &TargetReport) -> Markup {
    let shadow: BTreeSet<u16> = target.status_matrix.iter().map(|pair| pair.shadow).collect();
    let recorded: BTreeSet<u16> = target.status_matrix.iter().map(|pair| pair.recorded).collect();
    let count = |from: u16, to: u16| {
        target.status_matrix.iter().find(|p| p.recorded == from && p.shadow == to).map_or(0, |pair| pair.count)
    };
    markup! {
        h3 { "Statuses" }
        @if recorded.is_empty() {
            p { "No answer of production's was recorded." }
        } @else {
            table.matrix {
                tr { th { "production \\ target" } @for to in &shadow { th { (to) } } }
                @for from in &recorded {
                    tr {
                        th { (from) }
                        @for to in &shadow {
                            @let n = count(*from, *to);
                            td.same[from == to && n > 0].other[from != to && n > 0] { @if n > 0 { (n) } }
                        }
                    }
                }
            }
        }
        @if !target.grpc_statuses.is_empty() {
            p { "gRPC: " @for (status, n) in &target.grpc_statuses { (status) " × " (n) " " } }
        }
    }
}

fn rules(target: &TargetReport) -> Markup {
    markup! {
        @if !target.changes.is_empty() || !target.carried.is_empty() {
            h3 { "Changes" }
            table {
                tr { th { "rule" } th { "requests changed" } th { "left as they were" } }
                @for rule in &target.changes {
                    tr {
                        th { (rule.rule) }
                        td { (rule.changed) }
                        td { @if rule.not_json > 0 { (rule.not_json) " no JSON " } @if rule.encoded > 0 { (rule.encoded) " compressed" } }
                    }
                }
                @for carry in &target.carried {
                    tr { th { "carry " (carry.rule) } td { (carry.replaced) } td { (carry.taken) " values taken" } }
                }
            }
        }
    }
}

/// Production's times and the target's side by side, as long as they are.
fn bars(target: &TargetReport) -> Markup {
    let (Some(recorded), Some(shadow)) = (target.recorded_latency, target.latency) else { return markup! {} };
    let pairs = [
        ("p50", recorded.p50_ms, shadow.p50_ms),
        ("p90", recorded.p90_ms, shadow.p90_ms),
        ("p99", recorded.p99_ms, shadow.p99_ms),
        ("p99.9", recorded.p999_ms, shadow.p999_ms),
    ];
    let longest = pairs.iter().fold(0.0_f64, |longest, (_, a, b)| longest.max(*a).max(*b));
    let bar = |class: &str, ms: f64| {
        let width = format!("width:{:.1}%", if longest > 0.0 { ms / longest * 100.0 } else { 0.0 });
        markup! { div { i.(class) style=(width) {} span { (format!("{ms:.2}")) } } }
    };
    markup! {
        figure.bars role="img" aria-label="Times of production and of the target" {
            figcaption { "Latency " span.key { i.due {} " production" } span.key { i.sent {} " target" } }
            @for (name, recorded, shadow) in pairs {
                b { (name) }
                div { (bar("due", recorded)) (bar("sent", shadow)) }
            }
        }
    }
}

fn samples(title: &str, samples: &[Sample]) -> Markup {
    markup! {
        @if !samples.is_empty() {
            h3 { (title) }
            div.samples {
                div.head { span { "request" } span { "production" } span { "target" } span { "ms" } }
                @for sample in samples {
                    details {
                        summary {
                            span {
                                (sample.request.as_deref().unwrap_or("not in the store any more"))
                                @if let Some(why) = &sample.failure { br; small { (why) } }
                            }
                            span { (sample.recorded.map_or_else(none, |s| s.to_string())) }
                            span { (sample.shadow.map_or_else(|| "failed".to_owned(), |s| s.to_string())) }
                            span { (sample.latency_ms.map_or_else(none, |ms| format!("{ms:.2}"))) }
                        }
                        p { "Exchange " code { (sample.id) } }
                        @if let Some(curl) = &sample.curl { pre { (curl) } }
                    }
                }
            }
        }
    }
}

/// A time in UTC with so many digits of its second's fraction.
fn moment(time: &str, digits: usize) -> String {
    match time.trim_end_matches('Z').split_once('.') {
        Some((whole, _)) if digits == 0 => format!("{whole}Z"),
        Some((whole, fraction)) => format!("{whole}.{}Z", &fraction[..digits.min(fraction.len())]),
        None => time.to_owned(),
    }
}

const STYLE: &str = "
:root { color-scheme: light dark; --line: #8886; --soft: #8882; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); } small { font-weight: 400; opacity: .7; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0 1rem; } dt { opacity: .7; } dd { margin: 0; }
.bad { background: #d332; border-left: 4px solid #d33; padding: .4rem .8rem; }
.tiles { display: flex; flex-wrap: wrap; gap: .8rem; } .tiles div { background: var(--soft); border-radius: 6px; padding: .5rem 1rem; }
.tiles b { display: block; font-size: 1.3rem; } .tiles span { opacity: .7; font-size: .85rem; }
.ledger { font-family: ui-monospace, monospace; font-size: .85rem; opacity: .8; }
table { border-collapse: collapse; margin: .5rem 0; } th, td { text-align: right; padding: .2rem .7rem; border-bottom: 1px solid var(--line); vertical-align: top; }
th:first-child { text-align: left; font-weight: 400; }
.same { background: #3a32; } .other { background: #d332; }
.samples details { border-bottom: 1px solid var(--line); padding: .2rem 0; }
.head, summary { display: grid; grid-template-columns: 1fr 5.5rem 4rem 4.5rem; text-align: right; column-gap: .5rem; }
.head { border-bottom: 1px solid var(--line); padding-bottom: .2rem; opacity: .7; } summary { cursor: pointer; }
.head span:first-child, summary span:first-child { text-align: left; overflow-wrap: anywhere; min-width: 0; }
summary span:first-child::before { content: \"\\25b8  \"; opacity: .6; } details[open] summary span:first-child::before { content: \"\\25be  \"; }
.bars { display: grid; grid-template-columns: max-content 1fr; gap: .3rem .8rem; align-items: center; max-width: 40rem; }
.bars figcaption { grid-column: 1 / -1; } .bars b { font-weight: 400; } .bars div div { display: flex; align-items: center; gap: .4rem; line-height: 1.1; }
.bars div i { height: .6rem; min-width: 1px; border-radius: 2px; flex-shrink: 1; } .bars div span { font-size: .75rem; opacity: .8; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: var(--soft); padding: .6rem; font-size: .8rem; }
figure { margin: 1rem 0; } figcaption { font-size: .9rem; } .key { margin-left: 1rem; opacity: .85; }
.key i { display: inline-block; width: 1rem; height: 3px; vertical-align: middle; }
svg { width: 100%; height: auto; overflow: visible; } svg text { font-size: 11px; fill: currentColor; opacity: .7; }
.grid { stroke: var(--line); stroke-width: 1; } polyline { fill: none; stroke-width: 1.6; stroke-linejoin: round; }
polyline.due { stroke: #888; stroke-dasharray: 4 3; } polyline.sent { stroke: #2a78d6; } polyline.lag { stroke: #d9822b; }
i.due { background: #888; } i.sent { background: #2a78d6; } i.lag { background: #d9822b; }
@media (max-width: 40rem) {
  body { margin: 1rem auto; } svg text { font-size: 20px; } th, td { padding: .2rem .35rem; } table { font-size: .85rem; }
  .head, summary { grid-template-columns: 1fr 3rem 3.2rem 3.6rem; font-size: .85rem; } .head span:nth-child(2) { font-size: 0; }
  .head span:nth-child(2)::before { content: \"prod.\"; font-size: .85rem; }
}
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::StatusPair;
    use crate::target::Broken;
    use umbra_common::exchange::ExchangeId;

    #[test]
    fn the_page_has_everything_and_nothing_in_it_is_markup_of_a_client_s() {
        let sample = Sample {
            id: ExchangeId::from_bytes([1; 16]),
            request: Some("GET /<script>alert(1)</script>".into()),
            recorded: Some(200),
            shadow: None,
            latency_ms: None,
            failure: Some("<b>no</b>".into()),
            curl: Some("curl '</pre><img src=x>'".into()),
        };
        let target = TargetReport {
            name: "staging".into(),
            per_second: vec![5, 6],
            due_per_second: vec![5, 7],
            lag_ms_per_second: vec![0.1, 2.0],
            status_matrix: vec![StatusPair { recorded: 200, shadow: 503, count: 9 }],
            failing: vec![sample],
            breaker: Broken { opened: 3, seconds: 4.25 },
            gone: Some(70),
            ..TargetReport::default()
        };
        let report = Report { targets: vec![target], crossed: vec!["error_rate>1%".into()], ..Report::default() };
        let page = html(&report);
        for part in [
            "Gate crossed: error_rate&gt;1%",
            "other\">9<",
            "<polyline class=\"sent\"",
            "failed",
            "opened 3 times",
            "70 positions",
        ] {
            assert!(page.contains(part), "{part}\n{page}");
        }
        for evil in ["<script", "<b>no", "<img", "http://", "https://", "src=\"", "href="] {
            assert!(!page.contains(evil), "{evil}\n{page}");
        }
    }
}
