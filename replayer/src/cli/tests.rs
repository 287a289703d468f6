//! Command lines, right and wrong.

use clap::Parser;

use super::Cli;
use crate::command::{Action, Command, Look};
use crate::job::{Delivery, JobLook};
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
        Action::Replay(config) => config.pacing.pace,
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
    assert!(error("--connections 0").contains("--connections is zero"));
    assert!(error("--timeout 0s").contains("--timeout is zero"));
    assert!(error("--sample 0%").contains("--sample is zero"));
    assert!(error("--shard 5/4").contains("is no shard"));
    assert!(error("--start-at -1m").contains("has passed"));
    assert!(error("--host shadow").contains("is no host policy"));
    assert!(error("--fail-if errors>1%").contains("did you mean 'error_rate'?"));
    assert!(error("--fail-if zzz>1%").contains("use one of error_rate"));
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
fn what_slows_a_pace_down_is_read_and_checked() {
    let pacing = |rest: &str| match parse(&format!("{REPLAY} {rest}")).unwrap().action {
        Action::Replay(config) => (config.pacing, config.sending),
        other => panic!("{other:?}"),
    };
    let (all, sending) = pacing(
        "--speed 2x --max-rate 100/s --behind drop:2s --skip-gaps 5s --pace-with p99<300ms,errors<2% --max-in-flight 9",
    );
    assert_eq!(all.to_string(), "recorded x 2, no gap over 5s, at most 100/s, while p99<300ms,errors<2%");
    assert_eq!((all.behind.to_string(), sending.in_flight, sending.connections), ("drop:2s".into(), 9, 256));
    assert_eq!(pacing("--steps 100/s:1m,200/s").0.to_string(), "100/s:1m,200/s");
    assert_eq!(pacing("--connections 7").1.in_flight, 7);
    assert!(error("--steps 100/s:1m --rate 5/s").contains("--rate and --steps cannot both be given"));
    assert!(error("--steps 100/s").contains("is no step"));
    assert!(error("--speed 0.001x").contains("from 0.01x to 1000x") && error("--speed 1001x").contains("is no speed"));
    assert!(error("--max-rate 0/s").contains("would send nothing"));
    assert!(error("--behind late").contains("give keep, drop or a bound"));
    assert!(error("--behind drop --rate max").contains("--behind and --rate max cannot both be given"));
    assert!(error("--skip-gaps 0s").contains("--skip-gaps is zero"));
    assert!(error("--skip-gaps 5s --rate 5/s").contains("--skip-gaps and --rate cannot both be given"));
    assert!(error("--pace-with p99>1s").contains("is no goal"));
    assert!(error("--max-in-flight 0").contains("--max-in-flight is zero"));
}

#[test]
fn a_tail_has_a_rate_a_delay_and_a_limit_of_lag() {
    let follow = "follow --store sqlite:t.db --target v2=http://127.0.0.1:1";
    let config = |rest: &str| match parse(&format!("{follow} {rest}")).unwrap().action {
        Action::Follow(config) => config,
        other => panic!("{other:?}"),
    };
    let all = config("--rate 6/m --delay 10m --max-lag 20m --pace-with errors<5% --max-in-flight 3");
    assert_eq!((all.rate.unwrap().to_string(), all.delay.unwrap().as_secs()), ("6/m".into(), 600));
    assert_eq!((all.goals.unwrap().to_string(), all.sending.in_flight), ("errors<5%".into(), 3));
    let error = |rest: &str| parse(&format!("{follow} {rest}")).unwrap_err();
    assert!(error("--delay 10m --max-lag 10m").contains("--delay and --max-lag cannot both be given"));
    assert!(error("--delay soon").contains("is no duration"));
    assert!(error("--rate max").contains("is no rate"));
}

#[test]
fn an_admin_listener_that_strangers_reach_needs_a_token() {
    assert!(error("--admin 0.0.0.0:9902").contains("is more than loopback: give an --admin-token"));
    assert!(error("--admin 0.0.0.0:9902 --admin-token s3cret").contains("give env:NAME or file:PATH"));
    assert!(error("--admin 0.0.0.0:9902 --admin-token env:UMBRA_NOBODY_SETS_THIS").contains("cannot be read"));
    assert!(error("--admin-token file:/dev/null").contains("there is no --admin listener"));
    assert!(error("--admin 127.0.0.1:0 --admin-token file:/dev/null").contains("is empty"));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "s3cret\n").unwrap();
    let line = format!("{REPLAY} --admin 0.0.0.0:9902 --admin-token file:{}", file.path().display());
    let Action::Replay(config) = parse(&line).unwrap().action else { panic!() };
    assert_eq!(config.reporting.admin.unwrap().token.unwrap().as_bytes(), b"s3cret");
}

#[test]
fn a_job_is_named_and_its_flags_are_checked() {
    let job = |rest: &str| match parse(&format!("{REPLAY} {rest}")).unwrap().action {
        Action::Replay(config) => config,
        other => panic!("{other:?}"),
    };
    let config = job("--job nightly --resume --delivery at-most-once --loop for=1h --shard 1/4 --set-header a:secret");
    let named = config.job.unwrap();
    assert_eq!(
        (named.name.to_string().as_str(), named.resume, named.delivery),
        ("nightly", true, Delivery::AtMostOnce)
    );
    assert_eq!(config.repeat.to_string(), "for=1h");
    let said: Vec<_> = named.settings.iter().map(|(flag, value)| format!("{flag}={value}")).collect();
    for wanted in ["delivery=at-most-once", "from=-15m", "loop=for=1h", "shards=4", "target=v2=http://127.0.0.1:1"] {
        assert!(said.iter().any(|said| said == wanted), "{wanted} is not in {said:?}");
    }
    assert!(said.iter().all(|said| !said.contains("secret") && !said.starts_with("store")), "{said:?}");
    // What is watched and how hard it is tried may be another each time.
    let other =
        job("--job nightly --delivery at-most-once --loop for=1h --shard 3/4 --set-header a:secret --timeout 3s");
    assert_eq!(other.job.unwrap().settings, named.settings);
    assert_ne!(job("--job nightly --set-header a:other").job.unwrap().settings, named.settings);
    assert!(error("--job a:b").contains("is no job name"));
    assert!(error("--resume").contains("--job is missing"));
    assert!(error("--delivery at-least-once").contains("--delivery has no meaning here"));
    assert!(error("--job a --delivery twice").contains("is no delivery"));
    assert!(error("--loop 0").contains("is no number of rounds"));
    assert!(parse("plan --store sqlite:t.db --from -1h --job a").unwrap_err().contains("--job has no meaning here"));
}

#[test]
fn jobs_are_listed_shown_and_deleted() {
    let look = |line: &str| match parse(&format!("job {line} --store sqlite:t.db")).unwrap().action {
        Action::Jobs(config) => config.look,
        other => panic!("{other:?}"),
    };
    assert_eq!(look("list"), JobLook::List);
    assert_eq!(look("show nightly"), JobLook::Show("nightly".parse().unwrap()));
    assert_eq!(look("delete nightly --output json"), JobLook::Delete("nightly".parse().unwrap()));
    let error = |line: &str| parse(&format!("job {line}")).unwrap_err();
    assert!(error("list --store sqlite:t.db --output curl").contains("not for this command"));
    assert!(error("list").contains("--store is missing"));
}

#[test]
fn what_is_missing_is_named() {
    let error = |line: &str| parse(line).unwrap_err();
    assert!(error("replay --store sqlite:t.db --from -1m").contains("--target is missing"));
    assert!(error("replay --store sqlite:t.db --target a=http://b").contains("--from is missing"));
    assert!(error("follow --target a=http://b").contains("--store is missing"));
    assert!(error("traffic show 12 --store sqlite:t.db").contains("6 or more of them"));
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
    assert!(matches!(look("list --from -1h"), Look::List { follow: false, .. }));
    assert!(matches!(look("show 0199d0c0000070008000000000000000"), Look::Show(_)));
    assert_eq!(look("tail"), Look::Tail);
    let error = |line: &str| parse(&format!("traffic {line} --store sqlite:t.db")).unwrap_err();
    assert!(matches!(look("list --follow"), Look::List { follow: true, .. }));
    assert!(matches!(look("show 0199d0c"), Look::Show(_)));
    assert!(matches!(look("top --limit 5"), Look::Top { limit: 5, .. }));
    assert!(error("list --follow --to now").contains("--to has no meaning here"));
    assert!(parse("plan --store sqlite:t.db --from -1h --loop 2").unwrap_err().contains("--loop has no meaning here"));
    assert!(error("top --limit 0").contains("--limit is zero"));
    assert!(error("top --output har").contains("use table or json"));
    assert!(error("show 0199d0c --where status==200").contains("--where has no meaning here"));
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
    let Action::Replay(config) = with(text, "--rate 9/s").unwrap().action else { panic!() };
    assert_eq!(config.pacing.to_string(), "9/s");
    assert_eq!((config.sending.timeout.as_secs(), config.sending.connections), (3, 7));
    let Ok(Action::Replay(config)) =
        with(&format!("{text}\nset-header = ['a:b']"), "--remove-query q").map(|c| c.action)
    else {
        panic!()
    };
    assert_eq!(config.sending.changes.rules().len(), 2);
    let text =
        "store = 'sqlite:f.db'\ntarget = ['a=http://b']\nmax-rate = '5/s'\nadmin = '127.0.0.1:0'\nmax-in-flight = 3";
    let Action::Replay(config) = with(text, "--steps 1/s:1m,2/s").unwrap().action else { panic!() };
    assert_eq!(config.pacing.to_string(), "1/s:1m,2/s, at most 5/s");
    assert_eq!((config.sending.in_flight, config.reporting.admin.is_some()), (3, true));
    assert!(with("colour = 1", "").unwrap_err().contains("unknown field `colour`"));
    assert!(with("rate = '0/s'", "").unwrap_err().contains("would send nothing"));
}
