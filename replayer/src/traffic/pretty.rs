//! JSON with a line for each member. Only the space between tokens changes: numbers, escapes, the order of keys and
//! duplicates are as they were recorded.

/// The text laid out, where it is one JSON document; nothing otherwise.
pub(super) fn json(text: &str) -> Option<String> {
    serde_json::from_str::<&serde_json::value::RawValue>(text).ok()?;
    let mut out = String::with_capacity(text.len() * 2);
    let mut depth = 0_usize;
    let mut tokens = text.trim().chars().peekable();
    while let Some(c) = tokens.next() {
        match c {
            ' ' | '\t' | '\r' | '\n' => {}
            '"' => {
                out.push('"');
                while let Some(c) = tokens.next() {
                    out.push(c);
                    match c {
                        '\\' => out.extend(tokens.next()),
                        '"' => break,
                        _ => {}
                    }
                }
            }
            '{' | '[' => {
                out.push(c);
                while tokens.next_if(|c| c.is_ascii_whitespace()).is_some() {}
                if let Some(close) = tokens.next_if(|c| matches!(c, '}' | ']')) {
                    out.push(close);
                } else {
                    depth += 1;
                    line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(',');
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            _ => out.push(c),
        }
    }
    Some(out)
}

fn line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_the_space_between_tokens_changes() {
        let text = r#"{"a":1.000e2,"a":[ ],"b":{"c\"{,":"x, y","d":[true,null]}}"#;
        let laid_out = "{\n  \"a\": 1.000e2,\n  \"a\": [],\n  \"b\": {\n    \"c\\\"{,\": \"x, y\",\n    \"d\": [\n      true,\n      null\n    ]\n  }\n}";
        assert_eq!(json(text).as_deref(), Some(laid_out));
        assert_eq!(json(laid_out).as_deref(), Some(laid_out));
        assert_eq!(json("{} {}"), None);
        assert_eq!(json("a=1"), None);
        assert_eq!(json(" 1 ").as_deref(), Some("1"));
    }

    proptest! {
        #[test]
        fn what_is_laid_out_says_the_same(keys in proptest::collection::vec("[ -~é]{0,6}", 0..5), text in "[ -~\n\"\\\\]{0,20}") {
            let value = serde_json::json!({ "keys": keys, "nested": [{ "text": text }, [], {}] });
            let laid_out = json(&value.to_string()).unwrap();
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&laid_out).unwrap(), value);
        }
    }
}
