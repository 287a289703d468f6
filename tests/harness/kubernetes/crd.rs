//! Custom resource definitions, as the schemas that kubeconform reads.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::{RELEASES, documents_of};

/// Writes a schema for each version of each definition in `file`, as `work/custom/GROUP/KIND_VERSION.json`.
pub(super) fn convert(file: &Path, work: &Path) {
    for definition in documents_of(file).iter().filter(|d| d["kind"] == "CustomResourceDefinition") {
        let spec = &definition["spec"];
        let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{}: no name", file.display())).to_owned();
        let (group, kind) = (text(&spec["group"]), text(&spec["names"]["kind"]).to_lowercase());
        let folder = work.join("custom").join(&group);
        std::fs::create_dir_all(&folder).unwrap();
        for version in spec["versions"].as_array().unwrap() {
            let name = text(&version["name"]);
            let mut schema = version["schema"]["openAPIV3Schema"].clone();
            make_strict(&mut schema);
            describe_resource(&mut schema, &format!("{group}/{name}"));
            std::fs::write(folder.join(format!("{kind}_{name}.json")), schema.to_string()).unwrap();
        }
    }
}

/// What every resource has, and a definition does not say.
fn describe_resource(schema: &mut Value, api_version: &str) {
    let newest = RELEASES[RELEASES.len() - 1];
    let metadata = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
    schema["properties"]["apiVersion"] = json!({ "enum": [api_version] });
    schema["properties"]["kind"] = json!({ "type": "string" });
    schema["properties"]["metadata"] =
        json!({ "$ref": format!("../../kubernetes/v{newest}/_definitions.json#/$defs/{metadata}") });
    schema["additionalProperties"] = json!(false);
}

/// Refuses fields that are not named, as a cluster's strict validation does, and says Kubernetes' extensions in JSON Schema.
fn make_strict(schema: &mut Value) {
    let Value::Object(node) = schema else { return };
    let is = |node: &Map<String, Value>, key: &str| node.get(key) == Some(&Value::Bool(true));
    if is(node, "x-kubernetes-int-or-string") {
        node.insert("type".to_owned(), json!(["integer", "string"]));
    } else if is(node, "nullable")
        && let Some(kind) = node.get("type").cloned()
    {
        node.insert("type".to_owned(), json!([kind, "null"]));
    }
    let open = is(node, "x-kubernetes-preserve-unknown-fields") || node.contains_key("additionalProperties");
    if node.contains_key("properties") && !open {
        node.insert("additionalProperties".to_owned(), json!(false));
    }
    if let Some(Value::Object(fields)) = node.get_mut("properties") {
        fields.values_mut().for_each(make_strict);
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = node.get_mut(key) {
            make_strict(inner);
        }
    }
}

/// Makes what refers to an address of the network refer to the file beside it.
pub(super) fn make_relative(schema: &mut Value) {
    match schema {
        Value::Object(node) => {
            // By its type: a resource may have a field of that name.
            if node.get("$id").is_some_and(Value::is_string) {
                node.remove("$id");
            }
            if let Some(Value::String(reference)) = node.get_mut("$ref")
                && let Some(rest) = reference.strip_prefix("/api/")
            {
                *reference = rest.to_owned();
            }
            node.values_mut().for_each(make_relative);
        }
        Value::Array(items) => items.iter_mut().for_each(make_relative),
        _ => {}
    }
}
