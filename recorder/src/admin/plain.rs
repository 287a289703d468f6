//! The plain-text form of `/status`: the same values, one on a line, for eyes and `grep`.

use serde_json::Value;

/// `store.state: up`, in the order of the JSON. Whatever JSON gains, this gains.
pub(super) fn text(status: &Value) -> String {
    let mut lines = String::new();
    write(&mut lines, "", status);
    lines
}

fn write(lines: &mut String, key: &str, value: &Value) {
    let under = |name: &str| if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") };
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| write(lines, &under(name), value)),
        Value::Array(all) if all.iter().any(Value::is_object) => {
            for (at, value) in all.iter().enumerate() {
                let name = value.get("name").and_then(Value::as_str).map_or_else(|| at.to_string(), str::to_owned);
                write(lines, &under(&name), value);
            }
        }
        Value::Array(all) => line(lines, key, &all.iter().map(word).collect::<Vec<_>>().join(", ")),
        value => line(lines, key, &word(value)),
    }
}

fn line(lines: &mut String, key: &str, value: &str) {
    *lines += key;
    *lines += ": ";
    *lines += value;
    lines.push('\n');
}

fn word(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        // On one line, whatever it holds.
        Value::String(text) => text.escape_debug().to_string(),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn every_value_is_on_a_line_of_its_own() {
        let status =
            json!({ "a": { "b": 1, "c": null, "d": ["x", "y"] }, "e": [{ "name": "n", "f": true }], "g": "1\n2" });
        assert_eq!(super::text(&status), "a.b: 1\na.c: -\na.d: x, y\ne.n.f: true\ne.n.name: n\ng: 1\\n2\n");
    }
}
