//! The table, and below it what the design bounds, each figure beside the bare sender's of the same rounds.

use std::time::Duration;

use comfy_table::Table;

use super::cell::{Figures, Sender};
use crate::report;

/// How late requests may be: half of them, and 99 of 100.
struct Bound {
    p50: Option<Duration>,
    p99: Duration,
}

/// What the design says of a rate.
fn bound(rate: u32) -> Option<Bound> {
    match rate {
        1000 | 5000 => Some(Bound { p50: Some(Duration::from_micros(150)), p99: Duration::from_micros(600) }),
        10_000 => Some(Bound { p50: None, p99: Duration::from_millis(1) }),
        _ => None,
    }
}

/// Everything that was measured, in its order.
pub(super) fn table(all: &[Figures]) -> String {
    let mut table = Table::new();
    table.load_style(report::RULES).set_header([
        "rate and pace",
        "sent",
        "received",
        "lag p50 ms",
        "lag p99 ms",
        "lag p99.9 ms",
        "lag max ms",
        "drift %",
        "worst second %",
        "CPU µs/request",
    ]);
    let ms = |time: Duration| format!("{:.3}", millis(time));
    for Figures { cell, timing, sent, received, cpu } in all {
        table.add_row([
            cell.to_string(),
            sent.to_string(),
            received.to_string(),
            ms(timing.p50),
            ms(timing.p99),
            ms(timing.p999),
            ms(timing.max),
            format!("{:+.4}", timing.drift * 100.0),
            format!("{:.2}", timing.worst_second * 100.0),
            format!("{:.2}", cpu.as_secs_f64() * 1e6),
        ]);
    }
    report::lines(&mut table, 1)
}

/// A line for each of the replayer's cells that the design bounds, and for what it bounds in all of them.
pub(super) fn bounds(all: &[Figures]) -> Vec<String> {
    let of_replayer = || all.iter().filter(|figures| matches!(figures.cell.sender, Sender::Replayer { .. }));
    let mut lines: Vec<String> = of_replayer()
        .filter_map(|figures| {
            let Bound { p50, p99 } = bound(figures.cell.rate)?;
            let control =
                all.iter().find(|other| other.cell.sender == Sender::Bare && other.cell.rate == figures.cell.rate);
            let control = |pick: fn(&Figures) -> Duration| control.map(pick);
            let mut parts = Vec::new();
            if let Some(p50) = p50 {
                parts.push(format!("p50 {}", beside(figures.timing.p50, p50, control(|f| f.timing.p50))));
            }
            parts.push(format!("p99 {}", beside(figures.timing.p99, p99, control(|f| f.timing.p99))));
            Some(format!("{}: lag {}", figures.cell, parts.join("; ")))
        })
        .collect();
    let most = |of: fn(&Figures) -> f64| {
        of_replayer().map(of).fold(None, |most: Option<f64>, x| Some(most.map_or(x, |m| m.max(x))))
    };
    if let (Some(drift), Some(second)) = (most(|f| f.timing.drift.abs()), most(|f| f.timing.worst_second)) {
        let (drift, second) = (drift * 100.0, second * 100.0);
        lines.push(format!(
            "at all rates: drift at most {drift:.4} % (bound: 0.1), a second at most {second:.2} % off its rate (bound: 1)"
        ));
    }
    lines
}

/// A figure in milliseconds, its bound, and how it compares with the control's.
fn beside(figure: Duration, bound: Duration, control: Option<Duration>) -> String {
    let of_control = control.filter(|time| !time.is_zero()).map(|time| {
        let ratio = figure.as_secs_f64() / time.as_secs_f64();
        format!(", {ratio:.1} × the bare sender's {:.2}", millis(time))
    });
    format!("{:.2} ms (bound: {}){}", millis(figure), millis(bound), of_control.unwrap_or_default())
}

/// What should not be: requests that did not arrive, or arrived twice. What the peer loses is its own affair.
pub(super) fn losses(all: &[Figures]) -> Vec<String> {
    let own = all.iter().filter(|figures| figures.cell.sender != Sender::GoReplay);
    let uneven = own.filter(|figures| figures.sent != figures.received);
    uneven.map(|f| format!("{}: {} were to be sent, and {} arrived", f.cell, f.sent, f.received)).collect()
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::super::cell::{Cell, Pace};
    use super::*;
    use crate::timing::Timing;

    fn figures(rate: u32, sender: Sender, p50: u64, p99: u64) -> Figures {
        let us = Duration::from_micros;
        let timing =
            Timing { p50: us(p50), p99: us(p99), p999: us(p99), max: us(p99), drift: -0.000_05, worst_second: 0.004 };
        Figures { cell: Cell { rate, sender }, timing, sent: 10, received: 10, cpu: us(20) }
    }

    const KAFKA: Sender = Sender::Replayer { pace: Pace::Constant, from: "Kafka" };

    #[test]
    fn a_bounded_figure_stands_beside_its_bound_and_the_bare_senders() {
        let all = [
            figures(5000, Sender::Bare, 40, 220),
            figures(5000, KAFKA, 80, 310),
            figures(10_000, Sender::Bare, 40, 200),
            figures(10_000, KAFKA, 80, 500),
        ];
        assert_eq!(
            bounds(&all),
            [
                "5000/s, constant, Kafka: lag p50 0.08 ms (bound: 0.15), 2.0 × the bare sender's 0.04; \
                 p99 0.31 ms (bound: 0.6), 1.4 × the bare sender's 0.22",
                "10000/s, constant, Kafka: lag p99 0.50 ms (bound: 1), 2.5 × the bare sender's 0.20",
                "at all rates: drift at most 0.0050 % (bound: 0.1), a second at most 0.40 % off its rate (bound: 1)",
            ]
        );
        let text = table(&all);
        assert!(
            text.lines().any(|l| l.trim_start().starts_with("5000/s, a bare sender") && l.contains("0.220")),
            "{text}"
        );
    }

    #[test]
    fn a_rate_that_the_design_does_not_name_has_no_bound() {
        let peer = figures(1000, Sender::GoReplay, 40_000, 90_000);
        let lines = bounds(&[figures(2000, Sender::Bare, 40, 220), figures(2000, KAFKA, 80, 310), peer]);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].starts_with("at all rates"));
        assert!(bounds(&[]).is_empty());
    }

    #[test]
    fn without_a_control_the_bound_stands_alone() {
        let lines = bounds(&[figures(10_000, KAFKA, 80, 310)]);
        assert_eq!(lines[0], "10000/s, constant, Kafka: lag p99 0.31 ms (bound: 1)");
    }

    #[test]
    fn what_did_not_arrive_is_said() {
        let lost = Figures { received: 9, ..figures(1000, KAFKA, 1, 1) };
        assert_eq!(losses(&[lost]), ["1000/s, constant, Kafka: 10 were to be sent, and 9 arrived"]);
        let of_peer = Figures { received: 9, ..figures(1000, Sender::GoReplay, 1, 1) };
        assert!(losses(&[figures(1000, KAFKA, 1, 1), of_peer]).is_empty());
    }
}
