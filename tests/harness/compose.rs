//! Compose files, held against the schema of the Compose Specification.

use std::process::Command;

use serde_json::Value;

use crate::go_module::go_module;
use crate::installed::{installed, output_of};

/// The specification's reference implementation, which carries the schema.
const MODULE: (&str, &str) = ("github.com/compose-spec/compose-go/v2", "v2.16.2");

/// Prints what a schema has against a document, a line each.
const CHECK: &str = "import json, jsonschema, sys
schema, document = (json.load(open(path)) for path in sys.argv[1:])
for error in jsonschema.validators.validator_for(schema)(schema).iter_errors(document):
    print('/'.join(map(str, error.absolute_path)) + ': ' + error.message)";

/// What the specification has against a compose file.
#[track_caller]
pub fn refusals(document: &Value) -> Vec<String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), document.to_string()).unwrap();
    let mut check = Command::new(installed("python3", "apt-get install python3"));
    check.args(["-c", CHECK]).arg(go_module(MODULE.0, MODULE.1).join("schema/compose-spec.json")).arg(file.path());
    output_of(&mut check, "pip install jsonschema").lines().map(ToOwned::to_owned).collect()
}
