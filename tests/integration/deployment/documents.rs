//! What the documents of `deploy/` say of flags and files is so.

use std::collections::BTreeSet;
use std::path::Path;

use regex::Regex;
use umbra_tests::deployed;

use crate::programs::{recorder, replayer};

/// Other programs' flags in the documents' commands.
const OTHERS: [&str; 5] = ["--context", "--from-literal", "--namespace", "--release", "--set"];

fn flags(text: &str) -> BTreeSet<String> {
    let flag = Regex::new(r"(?m)(?:^|[\s`('\[])(--[a-z][a-z0-9-]*)").unwrap();
    flag.captures_iter(text).map(|found| found[1].to_owned()).collect()
}

#[test]
fn every_flag_in_the_documents_is_one() {
    let mut there = flags(&recorder(&["--help"]).finish().expect(0).stdout);
    let commands: [&[&str]; 8] = [
        &["follow"],
        &["replay"],
        &["plan"],
        &["traffic", "list"],
        &["traffic", "show"],
        &["traffic", "top"],
        &["job", "show"],
        &["job", "delete"],
    ];
    for command in commands {
        there.extend(flags(&replayer(&[command, &["--help"]].concat()).finish().expect(0).stdout));
    }
    there.extend(OTHERS.map(str::to_owned));
    let documents = deployed::files("", "md");
    assert!(documents.len() >= 9, "{documents:?}");
    let mut count = 0;
    for document in documents {
        let named = flags(&deployed::text(&document));
        count += named.len();
        let unknown: Vec<_> = named.difference(&there).collect();
        assert!(unknown.is_empty(), "deploy/{document}: no program has {unknown:?}");
    }
    assert!(count > 60, "{count} flags were found");
}

#[test]
fn every_file_that_the_documents_name_is_there() {
    // In backquotes, with a folder or with an ending that a file here has; or given to a command.
    let name = r"`([\w./-]+(?:/[\w.-]+|\.(?:md|yaml|yml|conf|cfg|lua|json|rs)))`| -[cf] ([\w./-]+\.[a-z]+)";
    let name = Regex::new(name).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut count = 0;
    for document in deployed::files("", "md") {
        let file = deployed::path(&document);
        for found in name.captures_iter(&deployed::text(&document)) {
            let named = found.get(1).or(found.get(2)).unwrap().as_str();
            // Paths of requests, names of groups, registries.
            if named.starts_with('/') || named.contains(".istio.io") || named.contains("example.com/") {
                continue;
            }
            let places = [file.parent().unwrap().join(named), deployed::path(named), root.join(named)];
            assert!(places.iter().any(|place| place.exists()), "deploy/{document}: there is no {named}");
            count += 1;
        }
    }
    assert!(count > 20, "{count} files were found");
}
