//! Command lines, right and wrong.

use clap::Parser;

use super::Cli;
use crate::command::{Action, Command, Look};
use crate::schedule::Pace;

fn parse(line: &str) -> Result<Command, String> {
    let words = line.split_whitespace();
    let cli = Cli::try_parse_from(std::iter::once("umbra-replayer").chain(words)).map_err(|e| e.to_string())?;
    cli.into_command().map_err(|e| e.to_string())
}

const REPLAY: &str = "replay --store sqlite:t.db --target v2=http://127.0.0.1:1 --from -15m";

fn error(rest: &str) -> String {
    parse(&format!("{REPLAY} {rest}")).unwrap_err()
}

fn replay_pace(rest: &str) -> Pace {
    match parse(&format!("{REPLAY} {rest}")).unwrap().action {
        Action::Replay(config) => config.pace,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_relative_window_and_each_pace_are_read() {
    assert_eq!(replay_pace("--to now"), Pace::default());
    assert_eq!(replay_pace("--to -1m --speed 2x").to_string(), "recorded x 2");
    assert_eq!(replay_pace("--rate 50/s").to_string(), "50/s");
    assert_eq!(replay_pace("--rate max"), Pace::Max);
    assert_eq!(replay_pace("--ramp 10/s..500/s:5m").to_string(), "10/s..500/s:5m");
}

#[test]
fn wrong_values_are_named() {
    assert!(error("--to -20m").contains("is not before"));
    assert!(error("--to 2026-11-17T09:00:00").contains("has no zone"));
    assert!(error("--speed 0x").contains("is no speed"));
    assert!(error("--rate 0/s").contains("would send nothing"));
    assert!(error("--rate 50").contains("is no rate"));
    assert!(error("--speed 2x --rate 50/s").contains("--speed and --rate cannot both be given"));
    assert!(error("--rate max --ramp 1/s..2/s:1s").contains("--rate and --ramp cannot both be given"));
    assert!(error("--target v2=http://127.0.0.1:2").contains("two targets have the name 'v2'"));
    assert!(error("--target 127.0.0.1:2").contains("give NAME=URL"));
    assert!(error("--target b=https://a").contains("not yet available"));
    assert!(error("--connections 0").contains("--connections is zero"));
    assert!(error("--timeout 0s").contains("--timeout is zero"));
    assert!(error("--sample 0%").contains("--sample is zero"));
    assert!(error("--shard 5/4").contains("is no shard"));
    assert!(error("--start-at -1m").contains("has passed"));
    assert!(error("--host shadow").contains("is no host policy"));
    assert!(error("--fail-if errors>1%").contains("use one of error_rate"));
    let elsewhere = parse(&REPLAY.replace("sqlite:t.db", "redis://x")).unwrap_err();
    assert!(elsewhere.contains("is no store"));
}

#[test]
fn a_wrong_condition_is_pointed_at() {
    let where_ = |expression: &str| {
        let words = REPLAY.split_whitespace().chain(["--where", expression]);
        let cli = Cli::try_parse_from(std::iter::once("umbra-replayer").chain(words)).map_err(|e| e.to_string())?;
        cli.into_command().map_err(|e| e.to_string())
    };
    assert!(where_("method == 'GET'").is_ok());
    let misspelt = where_("metod == 'GET'").unwrap_err();
    assert!(misspelt.contains("--where") && misspelt.contains("column 1: there is no variable 'metod'"), "{misspelt}");
    assert!(where_("status =").unwrap_err().contains("column"));
}

#[test]
fn what_is_not_built_yet_is_refused() {
    for flag in ["--job nightly", "--resume"] {
        assert!(error(flag).contains("not yet available"), "{flag}");
    }
}

#[test]
fn what_is_missing_is_named() {
    let error = |line: &str| parse(line).unwrap_err();
    assert!(error("replay --store sqlite:t.db --from -1m").contains("--target is missing"));
    assert!(error("replay --store sqlite:t.db --target a=http://b").contains("--from is missing"));
    assert!(error("follow --target a=http://b").contains("--store is missing"));
    assert!(error("traffic show 12 --store sqlite:t.db").contains("32 hexadecimal"));
}

#[test]
fn a_plan_needs_no_target() {
    assert!(matches!(parse("plan --store sqlite:t.db --from -1h").unwrap().action, Action::Plan { diff: false, .. }));
}

#[test]
fn traffic_is_listed_shown_and_tailed() {
    let look = |line: &str| match parse(&format!("traffic {line} --store sqlite:t.db")).unwrap().action {
        Action::Traffic(config) => config.look,
        other => panic!("{other:?}"),
    };
    assert!(matches!(look("list --from -1h"), Look::List(_)));
    assert!(matches!(look("show 0199d0c0000070008000000000000000"), Look::Show(_)));
    assert_eq!(look("tail"), Look::Tail);
    let error = |line: &str| parse(&format!("traffic {line} --store sqlite:t.db")).unwrap_err();
    assert!(error("tail --from -1h").contains("--from has no meaning here"));
    assert!(error("show 0199d0c0000070008000000000000000 --output table").contains("not for this command"));
}

#[test]
fn flags_go_over_the_file_and_unknown_keys_are_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let with = |text: &str, rest: &str| {
        std::fs::write(file.path(), text).unwrap();
        parse(&format!("replay --config {} --from -1m {rest}", file.path().display()))
    };
    let text = "store = 'sqlite:file.db'\ntarget = ['a=http://b']\nrate = '5/s'\ntimeout = '3s'\nconnections = 7";
    let Ok(Action::Replay(config)) = with(text, "--rate 9/s").map(|c| c.action) else { panic!() };
    assert_eq!(config.pace.to_string(), "9/s");
    assert_eq!((config.sending.timeout.as_secs(), config.sending.connections), (3, 7));
    let Ok(Action::Replay(config)) =
        with(&format!("{text}\nset-header = ['a:b']"), "--remove-query q").map(|c| c.action)
    else {
        panic!()
    };
    assert_eq!(config.sending.changes.rules().len(), 2);
    assert!(with("colour = 1", "").unwrap_err().contains("unknown field `colour`"));
    assert!(with("rate = '0/s'", "").unwrap_err().contains("would send nothing"));
}
