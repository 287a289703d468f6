//! The example configurations are ones.

use std::path::{Path, PathBuf};

use crate::programs::{recorder, recorder_in};

/// What the examples read from the environment.
const ENVIRONMENT: [(&str, &str); 3] = [
    ("UMBRA_OPERATORS", "a-token-of-operators"),
    ("UMBRA_KAFKA_PASSWORD", "a-password-of-kafka"),
    ("UMBRA_REDACTION", "a-key-for-keyed-hashes"),
];

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../recorder/examples")
}

#[test]
fn every_example_is_a_configuration_and_shows_no_secret() {
    let mut count = 0;
    for entry in std::fs::read_dir(examples()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let said =
            recorder_in(&ENVIRONMENT, &["--config", path.to_str().unwrap(), "--check"]).finish().expect(0).stdout;
        assert!(said.contains("[store]") && said.contains("# masked: "), "{}: {said}", path.display());
        for (_, secret) in ENVIRONMENT {
            assert!(!said.contains(secret), "{}: {said}", path.display());
        }
        count += 1;
    }
    assert!(count >= 5, "{count} examples");
}

#[test]
fn check_says_what_the_rules_of_a_file_do() {
    let rules = examples().join("rules/rules.toml");
    let flags = ["--sink", "--store", "sqlite:t.db", "--sample", "1%", "--rules", rules.to_str().unwrap(), "--check"];
    let said = recorder(&flags).finish().expect(0).stdout;
    for line in [
        "#   search: 0.5%, responses head, 1048576 bytes of a body",
        "#   incident-4711: 100%, responses full, 1048576 bytes of a body",
        "#   default: 1%, responses head, 1048576 bytes of a body",
        "# masked: authorization, cookie, proxy-authorization, set-cookie, x-api-key, query q",
    ] {
        assert!(said.lines().any(|l| l == line), "'{line}' is missing in:\n{said}");
    }
}
