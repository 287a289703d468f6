//! Apache Kafka's published jars, fetched once and kept below cargo's target folder.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::target_folder::target_folder;

const VERSION: &str = "3.9.1";

const POM: &str = r#"<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>umbra</groupId><artifactId>kafka-for-tests</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>VERSION</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
"#;

const INSTALL: &str = "name brokers in UMBRA_TEST_KAFKA=host:port, start a docker engine, or install java 17 and maven \
    (debian: apt-get install openjdk-17-jre-headless maven)";

/// The folder that holds the jars. Fails the test, saying what to install, where they cannot be had.
pub(super) fn folder() -> PathBuf {
    needs("java", "-version");
    let all = target_folder().join("kafka");
    let jars = all.join(VERSION);
    if !jars.is_dir() {
        needs("mvn", "-version");
        fetch(&all, &jars);
    }
    jars
}

fn needs(program: &str, argument: &str) {
    let found = Command::new(program).arg(argument).output().is_ok_and(|o| o.status.success());
    assert!(found, "no kafka for the tests, and {program} does not run: {INSTALL}");
}

/// Into a folder of its own, which is then renamed: two runs at once do not see each other's half.
fn fetch(all: &Path, jars: &Path) {
    std::fs::create_dir_all(all).unwrap();
    let work = tempfile::Builder::new().prefix("fetch-").tempdir_in(all).unwrap();
    let pom = work.path().join("pom.xml");
    std::fs::write(&pom, POM.replace("VERSION", VERSION)).unwrap();
    eprintln!("fetching apache kafka {VERSION} with maven, once, into {}", jars.display());
    let output = Command::new("mvn")
        .args(["-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory=jars", "-f"])
        .arg(&pom)
        .output()
        .unwrap();
    let said = || String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "maven cannot fetch apache kafka: {}\n{INSTALL}", said());
    if let Err(error) = std::fs::rename(work.path().join("jars"), jars) {
        assert!(jars.is_dir(), "{}: {error}", jars.display());
    }
}
