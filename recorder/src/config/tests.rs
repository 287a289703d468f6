use clap::Parser;

use crate::config::{Config, ConfigError, Flags, Mode, Responses, SampleBy};

const LEAST: [&str; 4] = ["--upstream", "http://127.0.0.1:3000", "--store", "sqlite:t.db"];

fn config(more: &[&str]) -> Result<Config, ConfigError> {
    Flags::try_parse_from(["umbra-recorder"].iter().chain(&LEAST).chain(more)).unwrap().into_config()
}

fn error(more: &[&str]) -> String {
    config(more).unwrap_err().to_string()
}

fn parse_error(more: &[&str]) -> String {
    Flags::try_parse_from(["umbra-recorder"].iter().chain(&LEAST).chain(more)).unwrap_err().to_string()
}

#[test]
fn two_flags_are_enough() {
    let config = config(&[]).unwrap();
    assert_eq!(config.listen.to_string(), "0.0.0.0:8080");
    assert_eq!(config.admin.addr.to_string(), "127.0.0.1:9901");
    assert_eq!(config.responses, Responses::Head);
    let summary = config.rules_summary().unwrap();
    assert_eq!(summary, "masked: authorization, cookie, proxy-authorization, set-cookie, x-api-key");
    assert!(!config.instance.is_empty());
}

#[test]
fn an_upstream_or_a_sink_is_needed_and_a_store() {
    let parse = |flags: &[&str]| Flags::try_parse_from(["r"].iter().chain(flags)).unwrap().into_config();
    assert!(parse(&["--store", "sqlite:t.db"]).unwrap_err().to_string().contains("no --upstream"));
    assert!(parse(&["--sink"]).unwrap_err().to_string().contains("no --store"));
    assert_eq!(parse(&["--sink", "--store", "sqlite:t.db"]).unwrap().mode, Mode::Sink);
    assert!(error(&["--sink"]).contains("exclude each other"));
    assert!(matches!(config(&["--sink=false"]).unwrap().mode, Mode::Forward(_)));
}

#[test]
fn a_wrong_value_is_named_with_what_to_do() {
    for (flags, says) in [
        (&["--sample-by", "moon"][..], "'moon' is nothing to sample by"),
        (&["--sample-by", "header:"], "is nothing to sample by"),
        (&["--sample-by", "cookie:a b"], "is nothing to sample by"),
        (&["--body-limit", "65MiB"], "at most 64MiB"),
        (&["--memory-limit", "10KiB"], "at least 1MiB"),
        (&["--body-limit", "8MiB", "--memory-limit", "4MiB"], "one record may hold 2304KiB of --memory-limit 4MiB"),
        (&["--workers", "0"], "from 1 to 1024"),
        (&["--spool", "s", "--spool-limit", "1KiB"], "at least 1MiB"),
        (&["--spool-limit", "1GiB"], "no --spool"),
        (&["--upstream-timeout", "0s"], "more than no time"),
        (&["--redact-header", "a b"], "no header name"),
        (&["--rules", "/does/not/exist.toml"], "--rules /does/not/exist.toml: cannot read it"),
        (&["--redact-key", "hunter2-hunter2-hunter2"], "must not stand in a file or on a command line"),
        (&["--redact-key", "env:UMBRA_NO_SUCH_VARIABLE"], "cannot be read"),
        (&["--redact-client", "hash"], "redact-client hashes, and there is no key"),
        (&["--admin", "0.0.0.0:9901"], "give --admin-token"),
        (&["--admin-token", "hunter2-hunter2-hunter2"], "must not stand on a command line"),
        (&["--admin-token", "env:UMBRA_NO_SUCH_VARIABLE"], "cannot be read"),
        (&["--redact-header", "x-a", "--keep-header", "X-A"], "one of the two"),
        (&["--tls-cert", "c.pem"], "needs --tls-key beside it"),
        (&["--tls-key", "k.pem"], "needs --tls-cert beside it"),
        (&["--tls-cert", "/no/c.pem", "--tls-key", "/no/k.pem"], "cannot read /no/c.pem"),
        (&["--connect-timeout", "0s"], "more than no time"),
        (&["--upstream-ca", "ca.pem"], "only an https:// upstream"),
        (&["--upstream-cert", "c.pem"], "only an https:// upstream"),
        (&["--upstream-key", "k.pem"], "only an https:// upstream"),
        (&["--upstream-server-name", "api"], "only an https:// upstream"),
    ] {
        let said = error(flags);
        assert!(said.contains(says), "{flags:?}: {said}");
    }
    for (flags, says) in [
        (&["--listen", "here"][..], "'here'"),
        (&["--dns-server", "8.8.8.8"], "'8.8.8.8'"),
        (&["--connect-timeout", "soon"], "'soon' is no duration"),
        (&["--sample", "half"], "'half' is no fraction"),
        (&["--responses", "some"], "'some'"),
        (&["--redact-client", "some"], "'some'"),
        (&["--admin", "here"], "'here'"),
        (&["--drain-timeout", "soon"], "'soon' is no duration"),
        (&["--tunnel-timeout", "never"], "'never' is no duration"),
        (&["--body-limit", "much"], "'much' is no size"),
        (&["--store", "redis:"], "is no store"),
        (&["--log-format", "xml"], "is no log format"),
        (&["--colour"], "unexpected argument"),
    ] {
        let flags: Vec<&str> = flags.to_vec();
        let said = match flags[0] {
            "--store" => Flags::try_parse_from(["r"].iter().chain(&flags)).unwrap_err().to_string(),
            _ => parse_error(&flags),
        };
        assert!(said.contains(says), "{flags:?}: {said}");
    }
}

#[test]
fn upstreams_are_refused_by_reason() {
    let upstream = |url: &str| {
        Flags::try_parse_from(["r", "--store", "sqlite:t.db", "--upstream", url])
            .unwrap()
            .into_config()
            .unwrap_err()
            .to_string()
    };
    assert!(upstream("127.0.0.1:3000").contains("is no upstream"));
}

#[test]
fn tls_towards_the_upstream_is_refused_by_flag() {
    let error = |flags: &[&str]| {
        let own = ["r", "--store", "sqlite:t.db", "--upstream", "https://api"];
        Flags::try_parse_from(own.iter().chain(flags)).unwrap().into_config().unwrap_err().to_string()
    };
    let missing = error(&["--upstream-ca", "/no/ca.pem"]);
    assert!(missing.contains("--upstream-ca /no/ca.pem: cannot read /no/ca.pem"), "{missing}");
    let half = error(&["--upstream-cert", "c.pem"]);
    assert!(half.contains("--upstream-cert c.pem: it needs --upstream-key beside it"), "{half}");
    let pair = error(&["--upstream-cert", "/no/c.pem", "--upstream-key", "/no/k.pem"]);
    assert!(pair.contains("--upstream-cert /no/c.pem: cannot read"), "{pair}");
    let name = error(&["--upstream-server-name", "a b"]);
    assert!(name.contains("--upstream-server-name a b: 'a b' is no name"), "{name}");
}

#[test]
fn headers_are_kept_and_masked_by_name() {
    let config =
        config(&["--keep-header", "Cookie", "--redact-header", "X-Session", "--sample-by", "cookie:Sid"]).unwrap();
    let summary = config.rules_summary().unwrap();
    assert_eq!(summary, "masked: authorization, proxy-authorization, set-cookie, x-api-key, x-session");
    assert_eq!(config.sample.by, SampleBy::Cookie("Sid".into()));
}

#[test]
fn a_flag_goes_over_the_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(
        file.path(),
        "listen = '127.0.0.1:1'\nsample = '10%'\nresponses = 'full'\nkeep-header = ['cookie']\n[store]\nurl = 'kafka://h:1/t'\n[store.kafka]\nacks = 'all'",
    )
    .unwrap();
    let path = file.path().to_str().unwrap();
    let flags = Flags::try_parse_from(["r", "--config", path, "--upstream", "http://a", "--sample", "1%"]).unwrap();
    let config = flags.layered().unwrap().into_config().unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:1");
    assert_eq!(config.sample.fraction.to_string(), "1%");
    assert_eq!(config.responses, Responses::Full);
    assert_eq!(config.store.kafka["acks"], "all");
    assert!(!config.rules_summary().unwrap().contains(" cookie"));
}

#[test]
fn a_file_takes_the_keys_of_every_group_and_no_other() {
    let with = |text: &str| {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let flags = ["r", "--config", file.path().to_str().unwrap(), "--max-headers", "5"];
        Flags::try_parse_from(flags.iter().chain(&LEAST)).unwrap().layered().map_err(|e| e.to_string())
    };
    let config =
        with("max-headers = 7\nidle-timeout = '9s'\ntrust-forwarded-for = ['10.0.0.0/8']\nproxy-protocol = 'v2'");
    let edge = config.unwrap().into_config().unwrap().edge;
    assert_eq!((edge.max_headers, edge.idle_timeout.as_secs(), edge.trust_forwarded_for.len()), (5, 9, 1));
    for (text, says) in [("max-header = 7", "unknown field `max-header`"), ("idle-timeout = 'soon'", "is no duration")]
    {
        let said = with(text).unwrap_err();
        assert!(said.contains(says), "{text}: {said}");
    }
}

#[test]
fn a_spool_of_no_folder_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "spool = ''").unwrap();
    let flags = ["r", "--config", file.path().to_str().unwrap()];
    let config = Flags::try_parse_from(flags.iter().chain(&LEAST)).unwrap().layered().unwrap().into_config();
    assert!(config.unwrap_err().to_string().contains("it names no folder"));
}

#[test]
fn tunnels_have_a_limit_unless_it_is_taken_off() {
    assert_eq!(config(&[]).unwrap().tunnel_timeout.map(|t| t.as_secs()), Some(3600));
    assert_eq!(config(&["--tunnel-timeout", "90s"]).unwrap().tunnel_timeout.map(|t| t.as_secs()), Some(90));
    assert_eq!(config(&["--tunnel-timeout", "0s"]).unwrap().tunnel_timeout, None);
}

#[test]
fn what_check_prints_is_a_file_that_gives_the_same() {
    let first = config(&[
        "--sample",
        "12.5%",
        "--workers",
        "3",
        "--body-limit",
        "2MiB",
        "--max-connections-per-client",
        "9",
        "--trust-forwarded-for",
        "10.0.0.0/8",
        "--spool",
        "/var/lib/umbra/spool",
        "--spool-limit",
        "2GiB",
    ])
    .unwrap()
    .to_string();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &first).unwrap();
    let flags = Flags::try_parse_from(["r", "--config", file.path().to_str().unwrap()]).unwrap();
    assert_eq!(flags.layered().unwrap().into_config().unwrap().to_string(), first);
}

fn layered(file: &str) -> Result<Config, ConfigError> {
    let path = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(path.path(), file).unwrap();
    let own = ["r", "--config", path.path().to_str().unwrap()];
    Flags::try_parse_from(own.iter().chain(&LEAST)).unwrap().layered()?.into_config()
}

#[test]
fn a_key_that_is_not_known_is_refused_wherever_it_stands() {
    for (file, says) in [
        ("colour = 'red'", "unknown field `colour`"),
        ("admin-colour = 'red'", "unknown field `admin-colour`"),
        ("[[rule]]\nsample = '1%'\ncolour = 'red'", "unknown field `colour`"),
        ("[[redact]]\ncolour = 'red'", "unknown field `colour`"),
    ] {
        let said = layered(file).unwrap_err().to_string();
        assert!(said.contains(says), "{file}: {said}");
    }
}

#[test]
fn rules_and_redaction_stand_in_the_configuration_file_too() {
    let file = "redact-client = 'truncate'\n[[rule]]\npath = '/health'\nsample = '0%'\n[[redact]]\nquery = 'token'\n";
    let config = layered(file).unwrap();
    let summary = config.rules_summary().unwrap();
    assert!(summary.starts_with("1 rule; masked: ") && summary.contains("query token"), "{summary}");
    assert!(summary.ends_with("client addresses: truncate"), "{summary}");
    let printed = config.to_string();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &printed).unwrap();
    let flags = Flags::try_parse_from(["r", "--config", file.path().to_str().unwrap()]).unwrap();
    assert_eq!(flags.layered().unwrap().into_config().unwrap().to_string(), printed);
    let wrong = layered("[[rule]]\nname = 'health'\npath = '['\nsample = '0%'").unwrap_err().to_string();
    assert!(wrong.contains("rule 'health', path: '[' is no glob"), "{wrong}");
}

#[test]
fn a_token_is_read_and_never_shown() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "hunter2-hunter2-hunter2\n").unwrap();
    let source = format!("file:{}", file.path().display());
    let config = config(&["--admin", "0.0.0.0:9901", "--admin-token", &source]).unwrap();
    assert_eq!(config.admin.token(), Some("hunter2-hunter2-hunter2"));
    assert!(!format!("{config}{config:?}").contains("hunter2"));
    assert!(config.to_string().contains(&format!("admin-token = \"{source}\"")));
    std::fs::write(file.path(), "short").unwrap();
    let said = error(&["--admin-token", &source]);
    assert!(said.contains("at least 16 bytes") && !said.contains("short"), "{said}");
}
