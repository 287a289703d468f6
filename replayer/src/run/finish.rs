//! The end of a run: the report where it is wanted, the gates, the exit status.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::command::Reporting;
use crate::error::{ExitStatus, RunError};
use crate::report::{Gate, Report, TargetReport, Verdict, html, print_table};

/// A run that began, whatever came of it.
pub(super) struct Ended {
    pub(super) report: Report,
    pub(super) error: Option<RunError>,
    /// Whether the run ends by itself.
    pub(super) has_end: bool,
}

/// Opens the report's file before anything is sent, runs, and reports.
pub(super) fn with_report(
    reporting: &Reporting,
    out: &mut dyn Write,
    run: impl FnOnce(&mut dyn Write) -> Result<Ended, RunError>,
) -> Result<ExitStatus, RunError> {
    // What is in it from a run before stays until there is something to take its place.
    let open = |path: &PathBuf| match OpenOptions::new().write(true).create(true).truncate(false).open(path) {
        Ok(file) => Ok((path.clone(), file)),
        Err(why) => Err(RunError::Report { path: path.clone(), why }),
    };
    let files = reporting.files.iter().map(open).collect::<Result<Vec<_>, _>>()?;
    let Ended { mut report, error, has_end } = run(out)?;
    report.crossed = crossed(&reporting.gates, &report);
    report.targets.iter().for_each(warn_of_idle_rules);
    print_table(&report, out)?;
    for (path, file) in files {
        write(&report, &path, file).map_err(|why| RunError::Report { path, why })?;
    }
    match error {
        Some(error) => Err(error),
        None => Ok(status(&report, has_end)),
    }
}

/// Puts the report into a file, in the form that its name asks for.
fn write(report: &Report, path: &Path, mut file: File) -> io::Result<()> {
    if file.metadata()?.is_file() {
        file.set_len(0)?;
    }
    if path.extension().is_some_and(|end| end.eq_ignore_ascii_case("html")) {
        return file.write_all(html(report).as_bytes());
    }
    serde_json::to_writer_pretty(&file, report)?;
    file.write_all(b"\n")
}

/// The gates that were crossed, in words. One that the run had no figure for is warned of: it holds whatever happens.
fn crossed(gates: &[Gate], report: &Report) -> Vec<String> {
    let mut crossed = Vec::new();
    for target in &report.targets {
        for gate in gates {
            match gate.judge(report, target) {
                Verdict::Held => {}
                Verdict::Crossed(how) => crossed.push(how),
                Verdict::Undecided if report.error.is_some() => {}
                Verdict::Undecided => {
                    tracing::warn!(target_name = %target.name, %gate, "the run had no such figure: the gate was not decided");
                }
            }
        }
    }
    crossed
}

/// A rule that did nothing is most often one that is misspelt.
fn warn_of_idle_rules(target: &TargetReport) {
    let target_name = target.name.as_str();
    for carry in &target.carried {
        let rule = carry.rule.as_str();
        if carry.taken == 0 {
            tracing::warn!(target_name, rule, "the carry rule found no value in any answer");
        } else if carry.unknown > 0 {
            let values = carry.unknown;
            tracing::warn!(
                target_name,
                rule,
                values,
                "the record does not show what these values take the place of: give the rule a 'to', or record responses in full and unmasked"
            );
        } else if carry.replaced == 0 {
            tracing::warn!(target_name, rule, "the carry rule found values, and no request to put them into");
        }
    }
}

/// The exit status of a run that met no error.
fn status(report: &Report, has_end: bool) -> ExitStatus {
    let all = |holds: fn(&TargetReport) -> bool| report.targets.iter().all(holds);
    let any = |holds: fn(&TargetReport) -> bool| report.targets.iter().any(holds);
    if report.interrupted && has_end {
        ExitStatus::Interrupted
    } else if any(reached_nobody)
        || any(|t| t.ledger.state("dropped") > 0 && t.ledger.reason("dropped", "abandoned") > 0)
    {
        ExitStatus::Failed
    } else if report.job.as_ref().is_some_and(|job| job.resumed) && all(|t| t.ledger.seen == passed(t)) {
        ExitStatus::Done
    } else if has_end && all(|t| t.ledger.seen == outside(t)) {
        tracing::error!("the window holds no exchange: `umbra-replayer traffic list` shows what the store has");
        ExitStatus::NothingToSend
    } else if has_end && all(|t| t.ledger.seen == outside(t) + t.ledger.reason("skipped", "undecodable")) {
        tracing::error!("no record of the window can be read");
        ExitStatus::Failed
    } else if !report.crossed.is_empty() {
        ExitStatus::GateCrossed
    } else if report.interrupted {
        ExitStatus::Interrupted
    } else {
        ExitStatus::Done
    }
}

fn outside(target: &TargetReport) -> u64 {
    target.ledger.reason("skipped", "outside_window")
}

/// What a job that goes on meets, and does not send.
fn passed(target: &TargetReport) -> u64 {
    outside(target) + target.ledger.reason("skipped", "done_before") + target.ledger.reason("skipped", "in_doubt")
}

/// Something was to be sent, and no connection could ever be made.
fn reached_nobody(target: &TargetReport) -> bool {
    let unconnected = target.ledger.reason("failed", "connect") + target.ledger.reason("failed", "tls");
    // What the breaker kept back would have fared no better.
    let failed = target.ledger.state("failed") - target.ledger.reason("failed", "breaker_open");
    unconnected > 0 && unconnected == failed && target.ledger.state("answered") == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use umbra_common::ledger::{Ledger, ReplayOutcome, ReplaySkip, SendFailure};

    fn report(outcomes: &[ReplayOutcome]) -> Report {
        let ledger = Ledger::new();
        outcomes.iter().for_each(|outcome| ledger.open().end(*outcome));
        Report {
            targets: vec![TargetReport { ledger: ledger.snapshot(), ..TargetReport::default() }],
            ..Report::default()
        }
    }

    #[test]
    fn an_incomplete_run_never_exits_0() {
        use ReplayOutcome::{Answered, Failed, Skipped};
        let outside = Skipped(ReplaySkip::OutsideWindow);
        let garbage = Skipped(ReplaySkip::Undecodable);
        let connect = Failed(SendFailure::Connect);
        let ends = |outcomes: &[ReplayOutcome]| status(&report(outcomes), true);
        assert_eq!(ends(&[]), ExitStatus::NothingToSend);
        assert_eq!(ends(&[outside]), ExitStatus::NothingToSend);
        assert_eq!(ends(&[outside, garbage]), ExitStatus::Failed);
        assert_eq!(ends(&[Answered, garbage]), ExitStatus::Done);
        assert_eq!(ends(&[connect, connect]), ExitStatus::Failed);
        assert_eq!(ends(&[connect, Failed(SendFailure::BreakerOpen)]), ExitStatus::Failed);
        assert_eq!(ends(&[Answered, connect]), ExitStatus::Done);
        let interrupted = Report { interrupted: true, ..report(&[Answered]) };
        assert_eq!(status(&interrupted, true), ExitStatus::Interrupted);
        assert_eq!(status(&interrupted, false), ExitStatus::Interrupted);
        let crossed = Report { crossed: vec!["x".into()], ..interrupted };
        assert_eq!(status(&crossed, true), ExitStatus::Interrupted);
        assert_eq!(status(&crossed, false), ExitStatus::GateCrossed);
    }
}
