//! Prometheus, which scrapes the programs under test and answers for what they give.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::installed::installed;
use crate::ports::free_address;
use crate::process::{Finished, Process};
use crate::wait::{eventually, eventually_some};
use crate::wire::RawClient;

const PACKAGE: &str = "apt-get install prometheus, which need not run";

/// A running server. Ends when it is dropped.
#[derive(Debug)]
pub struct Prometheus {
    addr: SocketAddr,
    process: Process,
    _directory: TempDir,
}

impl Prometheus {
    /// Scrapes each address under the name of its job, twice a second, and records by `rules` as often.
    #[track_caller]
    pub fn start(rules: &Path, jobs: &[(&str, SocketAddr)]) -> Self {
        let scrapes: Vec<Value> = jobs
            .iter()
            .map(
                |(job, at)| serde_json::json!({ "job_name": job, "static_configs": [{ "targets": [at.to_string()] }] }),
            )
            .collect();
        let configuration = serde_json::json!({
            "global": { "scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms" },
            "rule_files": [rules],
            "scrape_configs": scrapes,
        });
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("prometheus.yml");
        std::fs::write(&file, configuration.to_string()).unwrap();
        let addr = free_address();
        let arguments = [
            format!("--config.file={}", file.display()),
            format!("--storage.tsdb.path={}", directory.path().join("data").display()),
            format!("--web.listen-address={addr}"),
            "--log.level=error".to_owned(),
        ];
        let process = Process::start(installed("prometheus", PACKAGE).to_str().unwrap(), &arguments, &[]);
        let mut started = Self { addr, process, _directory: directory };
        eventually("Prometheus takes connections", || {
            assert!(started.process.is_running(), "{}", started.process.stderr());
            std::net::TcpStream::connect(addr).is_ok()
        });
        started
    }

    /// The values of an expression now, one for each series.
    #[track_caller]
    pub fn values(&self, expression: &str) -> Vec<f64> {
        let answer = self.get(&format!("/api/v1/query?query={}", percent_encoded(expression)));
        assert_eq!(answer["status"], "success", "{expression}: {answer}");
        let series = answer["data"]["result"].as_array().unwrap().iter();
        series.map(|series| series["value"][1].as_str().unwrap().parse().unwrap()).collect()
    }

    /// The names of all series.
    #[track_caller]
    pub fn names(&self) -> BTreeSet<String> {
        let answer = self.get("/api/v1/label/__name__/values");
        answer["data"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
    }

    #[track_caller]
    fn get(&self, path: &str) -> Value {
        // It answers 503 for as long as it starts.
        eventually_some("Prometheus answers", || {
            let request = format!("GET {path} HTTP/1.1\r\nhost: prometheus\r\nconnection: close\r\n\r\n");
            let response = RawClient::connect(self.addr).exchange(request);
            (response.status() != 503).then(|| serde_json::from_slice(&response.body.bytes).unwrap())
        })
    }
}

fn percent_encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

/// Runs promtool to its end.
#[track_caller]
pub fn promtool(arguments: &[&str]) -> Finished {
    Process::start(installed("promtool", PACKAGE).to_str().unwrap(), arguments, &[]).finish()
}
