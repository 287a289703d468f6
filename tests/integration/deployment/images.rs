//! The Dockerfile, by what it says; `deploy/docker/smoke` builds and runs the images.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use umbra_tests::deployed;

/// The instructions of each stage, by its name; those before the first one by the name "".
fn stages() -> BTreeMap<String, Vec<String>> {
    let text = deployed::text("docker/Dockerfile").replace("\\\n", " ");
    let mut stages = BTreeMap::from([(String::new(), Vec::new())]);
    let mut name = String::new();
    for line in text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
        if let Some((_, stage)) = line.strip_prefix("FROM ").and_then(|from| from.split_once(" AS ")) {
            stage.clone_into(&mut name);
        }
        stages.entry(name.clone()).or_insert_with(Vec::new).push(line.to_owned());
    }
    stages
}

fn only<'a>(stage: &'a [String], instruction: &str) -> &'a str {
    let mut found = stage.iter().filter_map(|line| line.strip_prefix(instruction)?.strip_prefix(' '));
    let (first, next) = (found.next(), found.next());
    assert!(next.is_none(), "two of {instruction}");
    first.unwrap_or_else(|| panic!("no {instruction} in {stage:?}"))
}

#[test]
fn each_image_is_one_program_that_runs_as_nobody() {
    let stages = stages();
    assert_eq!(stages.keys().collect::<Vec<_>>(), ["", "build", "recorder", "replayer"]);
    for program in ["recorder", "replayer"] {
        let stage = &stages[program];
        let file = format!("/umbra-{program}");
        assert_eq!(only(stage, "FROM"), format!("${{BASE}} AS {program}"));
        assert_eq!(only(stage, "COPY"), format!("--from=build /programs{file} {file}"));
        assert_eq!(only(stage, "USER"), "65532:65532");
        assert_eq!(only(stage, "ENTRYPOINT"), format!("[\"{file}\"]"));
        // A health check in the shell's form would need a shell.
        assert!(only(stage, "HEALTHCHECK").contains(&format!("CMD [\"{file}\", ")), "{stage:?}");
        assert!(!stage.iter().any(|line| line.starts_with("RUN ") || line.starts_with("ADD ")), "{stage:?}");
    }
}

#[test]
fn every_image_it_begins_with_is_pinned_and_the_toolchain_is_ours() {
    let stages = stages();
    let base: BTreeMap<_, _> =
        stages[""].iter().map(|line| line.strip_prefix("ARG ").unwrap().split_once('=').unwrap()).collect();
    for (name, image) in &base {
        assert!(image.contains(':') && !image.ends_with(":latest"), "{name}: {image}");
    }
    let channel = include_str!("../../../rust-toolchain.toml").lines().find_map(|l| l.strip_prefix("channel = \""));
    let version = channel.unwrap().trim_end_matches('"');
    assert!(base["RUST"].starts_with(&format!("rust:{version}")), "{} is not {version}", base["RUST"]);
    assert_eq!(only(&stages["build"], "RUN"), "deploy/docker/programs /programs");
    assert!(deployed::text("docker/programs").contains("cargo build --release --locked "));
}

#[test]
fn the_build_is_given_every_member_of_the_workspace() {
    let text = deployed::text("docker/Dockerfile.dockerignore");
    let kept: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix('!')).collect();
    // Nothing is taken out of what is kept: `**/target` is a folder of the replayer's sources.
    let left_out = text.lines().filter(|line| !line.starts_with(['!', '#']));
    assert_eq!(left_out.collect::<Vec<_>>(), ["**"]);
    let workspace = include_str!("../../../Cargo.toml");
    let members = workspace.lines().find_map(|line| line.strip_prefix("members = [")).unwrap();
    for member in members.trim_end_matches(']').split(", ").map(|m| m.trim_matches('"')) {
        assert!(kept.iter().any(|k| member == *k || member.starts_with(&format!("{k}/"))), "{member} is left out");
    }
    let ours = ["programs", "fit", "recorder.counted", "recorder.profdata"].map(|file| format!("deploy/docker/{file}"));
    for file in ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml"].into_iter().chain(ours.iter().map(String::as_str)) {
        assert!(kept.contains(&file), "{file} is left out");
    }
}

/// What `deploy/docker/fit` says: its status, and its lines.
fn fit(with: &Path) -> (Option<i32>, String) {
    let output = Command::new(deployed::path("docker/fit")).arg(with).output().unwrap();
    (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

#[test]
fn what_the_recorder_is_laid_out_by_was_counted_for_this_code() {
    let counted = deployed::path("docker/recorder.counted");
    assert_eq!(fit(&counted), (Some(0), String::new()));
}

#[test]
fn counts_that_were_made_with_other_names_are_told_with_what_has_changed() {
    let counted = deployed::text("docker/recorder.counted");
    let scratch = tempfile::tempdir().unwrap();
    let other = scratch.path().join("counted");
    let library = counted.lines().find(|line| line.contains(" h2 v")).expect("a dependency");
    for (is, was) in [
        // Other counts, another toolchain, another way to build, another version, and one dependency less.
        ("  deploy/docker/recorder.profdata", "0  deploy/docker/recorder.profdata"),
        ("channel = ", "channel = 1"),
        ("codegen-units = 1", "codegen-units = 16"),
        (library, &format!("{library}-other")),
        (library, ""),
    ] {
        std::fs::write(&other, counted.replacen(is, was, 1)).unwrap();
        let (status, said) = fit(&other);
        assert_eq!(status, Some(1), "{is}: {said}");
        assert!(said.contains(is.trim()) && said.contains("deploy/docker/learn"), "{is}: {said}");
    }
    let (status, said) = fit(&scratch.path().join("none"));
    assert!(status == Some(2) && said.contains("none cannot be read"), "{said}");
}
