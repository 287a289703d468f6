//! The compose file: valid, its files there, its flags taken.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use umbra_tests::compose::refusals;
use umbra_tests::deployed;
use umbra_tests::installed::{installed, output_of};
use umbra_tests::kubernetes::documents_of;

use super::taking::{recorder_takes, replayer_takes};

fn compose() -> Value {
    documents_of(&deployed::path("compose/compose.yaml")).pop().unwrap()
}

fn services(compose: &Value) -> impl Iterator<Item = (&String, &Value)> {
    compose["services"].as_object().unwrap().iter()
}

#[test]
fn it_is_a_compose_file() {
    let refusals = refusals(&compose());
    assert!(refusals.is_empty(), "{refusals:?}");
}

#[test]
fn a_wrong_field_would_be_refused() {
    let mut wrong = compose();
    wrong["services"]["recorder"]["comand"] = Value::Array(Vec::new());
    wrong["services"]["kafka"]["healthcheck"]["test"] = Value::from(5);
    let refusals = refusals(&wrong).join("\n");
    assert!(refusals.contains("'comand'") && refusals.contains("services/kafka/healthcheck/test"), "{refusals}");
}

#[test]
fn the_programs_take_their_flags() {
    let (compose, token) = (compose(), deployed::path("compose/admin-token"));
    assert_eq!(compose["secrets"]["admin-token"]["file"], "./admin-token");
    let flags = |service: &str| -> Vec<String> {
        let command = compose["services"][service]["command"].as_array().unwrap().iter();
        command
            .map(|flag| flag.as_str().unwrap().replace("/run/secrets/admin-token", token.to_str().unwrap()))
            .collect()
    };
    let said = recorder_takes(&flags("recorder"));
    assert!(said.contains("kafka://kafka:9092/traffic?partitions=4"), "{said}");
    replayer_takes(&flags("replayer"));
}

#[test]
fn every_file_that_it_mounts_is_there() {
    let folder = deployed::path("compose");
    let mut seen = 0;
    for (name, service) in services(&compose()) {
        for volume in service["volumes"].as_array().into_iter().flatten() {
            let (from, _) = volume.as_str().unwrap().split_once(':').unwrap();
            assert!(folder.join(from).exists(), "{name} mounts {from}, which is not there");
            seen += 1;
        }
        if let Some(file) = service["build"]["dockerfile"].as_str() {
            let context = service["build"]["context"].as_str().unwrap();
            assert!(folder.join(context).join(file).is_file(), "{name} is built by {file}");
        }
    }
    assert!(seen >= 5, "{seen} volumes");
}

#[test]
fn every_image_has_a_version_and_every_port_is_for_this_machine() {
    for (name, service) in services(&compose()) {
        let image = service["image"].as_str().unwrap();
        let (_, tag) = image.rsplit_once(':').unwrap_or_else(|| panic!("{name}: {image} has no tag"));
        assert_ne!(tag, "latest", "{name}");
        for port in service["ports"].as_array().into_iter().flatten() {
            assert!(port.as_str().unwrap().starts_with("127.0.0.1:"), "{name}: {port}");
        }
    }
}

#[test]
fn prometheus_takes_its_configuration_and_scrapes_both_programs() {
    let file = deployed::path("compose/prometheus.yml");
    check_by_promtool(&file);
    let configuration = documents_of(&file).pop().unwrap();
    let compose = compose();
    for (n, service) in ["recorder", "replayer"].into_iter().enumerate() {
        let target = configuration["scrape_configs"][n]["static_configs"][0]["targets"][0].as_str().unwrap();
        let (host, port) = target.split_once(':').unwrap();
        assert_eq!(host, service);
        let listens = format!("--admin=0.0.0.0:{port}");
        assert!(compose["services"][host]["command"].as_array().unwrap().contains(&Value::from(listens)));
    }
}

fn check_by_promtool(file: &Path) {
    let mut check = Command::new(installed("promtool", "apt-get install prometheus"));
    output_of(check.args(["check", "config", "--syntax-only"]).arg(file), "the configuration is wrong");
}
