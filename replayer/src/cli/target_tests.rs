//! The flags about how targets are connected to, right and wrong.

use std::time::Duration;

use clap::Parser;

use super::Cli;
use crate::command::{Action, Sending};
use crate::target::BreakAfter;

fn parse(rest: &str) -> Result<Sending, String> {
    let line = format!("umbra-replayer replay --store sqlite:t.db --from -15m {rest}");
    let cli = Cli::try_parse_from(line.split_whitespace()).map_err(|e| e.to_string())?;
    match cli.into_command().map_err(|e| e.to_string())?.action {
        Action::Replay(config) => Ok(config.sending),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_target_with_tls_is_reached_as_told() {
    let target = "--target a=https://staging.test";
    let flags = "--insecure-tls --resolve Staging.test:443:10.0.0.7 --connect-timeout 1s --response-timeout 2s";
    let reach = parse(&format!("{target} {flags}")).unwrap().reach;
    assert!(reach.tls.insecure && reach.tls.ca.is_none() && reach.tls.identity.is_none());
    assert_eq!(reach.pinned[0].to_string(), "staging.test:443:10.0.0.7");
    assert_eq!((reach.connect_timeout, reach.response_timeout), (Duration::from_secs(1), Some(Duration::from_secs(2))));
}

#[test]
fn each_wrong_value_is_named_with_what_to_do() {
    let (plain, tls) = ("--target a=http://staging.test", "--target a=https://staging.test");
    for (target, flags, parts) in [
        (tls, "--target-ca /does/not/exist.pem", ["no TLS to the target 'a=https://staging.test", "cannot read"]),
        (tls, "--target-ca /dev/null", ["/dev/null", "holds no certificate"]),
        (tls, "--target-cert a.pem", ["--target-key is missing", "--target-cert"]),
        (tls, "--target-key a.pem", ["--target-cert is missing", "--target-key"]),
        (tls, "--insecure-tls --target-cert a.pem --target-key b.pem", ["cannot read", "a.pem"]),
        (tls, "--insecure-tls --target-ca ca.pem", ["--insecure-tls and --target-ca", "cannot both be given"]),
        (plain, "--insecure-tls", ["--insecure-tls has no meaning here", "no target is https://"]),
        (plain, "--target-ca ca.pem", ["--target-ca has no meaning here", "no target is https://"]),
        (plain, "--target-cert a --target-key b", ["--target-cert has no meaning here", "no target is https://"]),
        (plain, "--resolve staging.test:443:10.0.0.7", ["--resolve has no meaning here", "host and port"]),
        (plain, "--resolve staging.test:10.0.0.7", ["--resolve", "give HOST:PORT:ADDRESS"]),
        (plain, "--connect-timeout 0s", ["--connect-timeout is zero", ""]),
        (plain, "--connect-timeout 20s", ["--connect-timeout 20s is longer than --timeout 10s", "a longer --timeout"]),
        (plain, "--response-timeout 2s --timeout 1s", ["--response-timeout 2s is longer", "--timeout 1s"]),
        (plain, "--weight b=1", ["--weight b=1 is for no target", "the name of a --target"]),
        (plain, "--weight a=0", ["--weight", "give NAME=WEIGHT"]),
        (plain, "--weight a=1", ["--weight for one target has no meaning here", "give others one too"]),
        (plain, "--weight a=1,a=2", ["a second --weight", "give each target one"]),
        (plain, "--breaker 0", ["--breaker", "give a whole number from 1, or off"]),
        (plain, "--breaker 5%", ["--breaker", "give a whole number from 1, or off"]),
        (plain, "--response-timeout soon", ["--response-timeout", "is no duration"]),
    ] {
        let error = parse(&format!("{target} {flags}")).unwrap_err();
        assert!(parts.iter().all(|part| error.contains(part)), "{flags}: {error}");
    }
}

#[test]
fn a_file_has_the_same_keys_and_no_others() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let parsed = |content: &str| {
        std::fs::write(file.path(), content).unwrap();
        parse(&format!("--target a=http://staging.test --config {}", file.path().display()))
    };
    let sending = parsed("resolve = ['staging.test:80:10.0.0.7']\nconnect-timeout = '1s'\nbreaker = 'off'").unwrap();
    assert_eq!((sending.reach.pinned.len(), sending.reach.connect_timeout), (1, Duration::from_secs(1)));
    assert_eq!(sending.breaker, BreakAfter::Never);
    assert_eq!(parsed("breaker = 7").unwrap().breaker, BreakAfter::Failures(7));
    assert!(parsed("breaker = 0").unwrap_err().contains("or off"));
    let error = parsed("connect-timeuot = '1s'").unwrap_err();
    assert!(error.contains("connect-timeuot"), "{error}");
}
