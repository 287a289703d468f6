use proptest::prelude::*;

use super::coding::{self, Coding};
use super::*;
use crate::redact::Redactions;

/// What is to be redacted in most tests.
fn rules() -> BodyRules {
    let mut rules = BodyRules::default();
    for pointer in ["/password", "/user/*/pin", "/list/1", "/a~1b/c~0d", "/**/secret"] {
        rules.point("", pointer, Action::Mask).unwrap();
    }
    rules.point("", "/dropped", Action::Drop).unwrap();
    for name in ["password", "a b"] {
        rules.form.add(name, Action::Mask);
        rules.multipart.add(name, Action::Mask);
    }
    rules.multipart.add("gone", Action::Drop);
    rules.text.add(regex::bytes::Regex::new(r"\b\d{4}-\d{4}\b").unwrap(), Action::Mask);
    rules.text.add(regex::bytes::Regex::new(r"key=(\w+)").unwrap(), Action::Mask);
    rules
}

/// The body that is recorded, or why it is dropped.
fn redact(fields: &[(&str, &str)], bytes: &[u8]) -> Result<Vec<u8>, String> {
    let redactions = Redactions::default();
    let headers = fields.iter().copied().collect();
    let mut body = Body::whole(bytes.to_vec());
    rules().redact(&headers, &mut body, Pen { key: None, redactions: &redactions });
    let dropped = redactions.bodies().find(|(_, count)| *count > 0).map(|(why, _)| why.to_owned());
    assert_eq!(body.truncated, dropped.is_some());
    let length = if dropped.is_some() { bytes.len() } else { body.bytes.len() };
    assert_eq!(body.length, length as u64, "a body that is left out has its true length");
    assert!(dropped.is_none() || body.bytes.is_empty());
    dropped.map_or(Ok(body.bytes.to_vec()), Err)
}

fn json(text: &str) -> Result<String, String> {
    redact(&[("content-type", "application/json")], text.as_bytes()).map(|bytes| String::from_utf8(bytes).unwrap())
}

#[test]
fn a_secret_in_json_is_replaced_where_it_stands() {
    for (text, expected) in [
        (r#"{ "a" : 1.50 ,"password"  : "x\"y" , "b":[ ] }"#, r#"{ "a" : 1.50 ,"password"  : "***" , "b":[ ] }"#),
        (
            r#"{"password":"1","password":2,"x":{"password":3}}"#,
            r#"{"password":"***","password":"***","x":{"password":3}}"#,
        ),
        (r#"{"pass\u0077ord":"x"}"#, r#"{"pass\u0077ord":"***"}"#),
        (r#"{"password":{"deep":["x",{}]},"b":1e9}"#, r#"{"password":"***","b":1e9}"#),
        (r#"{"user":{"a":{"pin":1,"x":2},"b":{"pin":3}}}"#, r#"{"user":{"a":{"pin":"***","x":2},"b":{"pin":"***"}}}"#),
        (r#"{"user":[{"pin":1},{"pin":2}]}"#, r#"{"user":[{"pin":"***"},{"pin":"***"}]}"#),
        (r#"{"list":[1,2,3]}"#, r#"{"list":[1,"***",3]}"#),
        (r#"{"a/b":{"c~d":0}}"#, r#"{"a/b":{"c~d":"***"}}"#),
        (r#"{"dropped":[1]}"#, r#"{"dropped":null}"#),
        (
            r#"[[{"secret":1},{"x":{"secret":true}}],{"secret":null}]"#,
            r#"[[{"secret":"***"},{"x":{"secret":"***"}}],{"secret":"***"}]"#,
        ),
        ("{\"password\":1}\n{\"password\":2}\n", "{\"password\":\"***\"}\n{\"password\":\"***\"}\n"),
        ("\u{feff}{\"password\":1}", "\u{feff}{\"password\":\"***\"}"),
        (r#"{"n":"key=abc 1234-5678"}"#, r#"{"n":"key=*** ***"}"#),
        ("", ""),
        ("null", "null"),
    ] {
        assert_eq!(json(text).as_deref(), Ok(expected));
    }
}

#[test]
fn json_that_another_parser_may_read_in_another_way_is_dropped() {
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    for text in [
        "{",
        "{\"a\":1,}",
        "{'password':1}",
        "{password:1}",
        "{\"a\":01}",
        "{\"a\":+1}",
        "{\"a\":.5}",
        "{\"a\":1.}",
        "{\"a\":NaN}",
        "[1 2]",
        "{\"a\" 1}",
        "/* */ {}",
        "{\"a\":\"\n\"}",
        "{\"a\":\"\\x41\"}",
        "{} x",
        "[1",
        "tru",
        "{\"pass\\ud800\":1}",
        "{\"a\":1x}",
        "1'2'",
        &deep,
    ] {
        assert_eq!(json(text), Err("malformed".into()), "{text}");
    }
}

#[test]
fn what_does_not_say_to_be_json_is_looked_at_all_the_same() {
    let secret = br#" {"password":"x"}"#;
    let masked = br#" {"password":"***"}"#.to_vec();
    for kind in ["text/plain", "application/octet-stream", "application/vnd.api+json", "APPLICATION/JSON; charset=x"] {
        assert_eq!(redact(&[("content-type", kind)], secret), Ok(masked.clone()), "{kind}");
    }
    assert_eq!(redact(&[], secret), Ok(masked));
    assert_eq!(redact(&[], b"{broken"), Err("malformed".into()));
    let log = b"[info] nothing here";
    assert_eq!(redact(&[("content-type", "text/plain")], log), Ok(log.to_vec()));
    assert_eq!(redact(&[("content-type", "image/png")], secret), Ok(secret.to_vec()));
    assert_eq!(redact(&[("content-type", "application/grpc")], secret), Ok(secret.to_vec()));
    assert_eq!(redact(&[("content-type", "application/grpc+json")], secret), Err("coding".into()));
    assert_eq!(redact(&[("content-type", "application/json; charset=UTF-16LE")], secret), Err("coding".into()));
}

#[test]
fn fields_of_forms_are_redacted_by_name() {
    let kind = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
    let masked = redact(&kind, b"a=1&password=x%20y&a+b=2&b=%zz&passwords=k").unwrap();
    assert_eq!(masked, b"a=1&password=***&a+b=***&b=%zz&passwords=k");
    assert_eq!(redact(&[], b"a=1&password=x"), Ok(b"a=1&password=***".to_vec()));
}

const FORM: &[(&str, &str)] = &[("content-type", "multipart/form-data; charset=x; boundary=\"a b\"")];

#[test]
fn fields_of_multipart_forms_are_redacted_by_name() {
    let body = "--a b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\nplain\r\n\
        --a b \r\ncontent-disposition:form-data; filename=\"a\\\"b;name=x\"; NAME=password\r\nContent-Type: image/png\r\n\r\n\0\r\n\x7f\r\n\
        --a b\r\nContent-Disposition: form-data; name=\"gone\"\r\n\r\nsecret\r\n\
        --a b\r\nContent-Type: application/json\r\nContent-Disposition: form-data; name=j\r\n\r\n{\"password\": 1}\r\n\
        --a b--\r\n";
    let expected = "--a b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\nplain\r\n\
        --a b \r\ncontent-disposition:form-data; filename=\"a\\\"b;name=x\"; NAME=password\r\nContent-Type: image/png\r\n\r\n***\r\n\
        --a b\r\nContent-Type: application/json\r\nContent-Disposition: form-data; name=j\r\n\r\n{\"password\": \"***\"}\r\n\
        --a b--\r\n";
    assert_eq!(redact(FORM, body.as_bytes()).map(|b| String::from_utf8(b).unwrap()), Ok(expected.to_owned()));
    assert_eq!(redact(FORM, b"--a b--"), Ok(b"--a b--".to_vec()));
}

#[test]
fn a_multipart_form_that_cannot_be_read_is_dropped() {
    let named = "Content-Disposition: form-data; name=\"x\"\r\n\r\nv\r\n";
    for body in [
        format!("--a b\r\n{named}"),
        format!("--a b\r\n{named}--a b"),
        format!("preamble\r\n--a b\r\n{named}--a b--"),
        format!("--a b\r\n{named}--a b--\r\nepilogue"),
        format!("--a b\n{named}--a b--"),
        format!("--a b\r\n{named}--a bc\r\n{named}--a b--"),
        "--a b\r\n\r\nv\r\n--a b--".to_owned(),
        "--a b\r\nContent-Disposition: form-data\r\n\r\nv\r\n--a b--".to_owned(),
        "--a b\r\nContent-Disposition: form-data; name=x; name=password\r\n\r\nv\r\n--a b--".to_owned(),
        "--a b\r\nContent-Disposition: form-data; name=x; name*=utf-8''password\r\n\r\nv\r\n--a b--".to_owned(),
        "--a b\r\nContent-Disposition: form-data; name=\"x\r\n\r\nv\r\n--a b--".to_owned(),
    ] {
        assert_eq!(redact(FORM, body.as_bytes()), Err("malformed".into()), "{body}");
    }
    assert_eq!(redact(&[("content-type", "multipart/form-data")], b"--a--"), Err("malformed".into()));
}

#[test]
fn text_is_looked_through_and_other_bytes_are_not() {
    let text = b"card 1234-5678, key=abc";
    assert_eq!(redact(&[("content-type", "text/html")], text), Ok(b"card ***, key=***".to_vec()));
    assert_eq!(redact(&[], text), Ok(b"card ***, key=***".to_vec()));
    let bytes = b"\xff\xfe 1234-5678";
    assert_eq!(redact(&[("content-type", "application/octet-stream")], bytes), Ok(bytes.to_vec()));
    assert_eq!(redact(&[("content-type", "text/plain")], bytes), Ok(b"\xff\xfe ***".to_vec()));
}

#[test]
fn a_compressed_body_is_recorded_in_its_own_coding() {
    for (name, codings) in [
        ("gzip", vec![Coding::Gzip]),
        ("deflate", vec![Coding::Zlib]),
        ("deflate", vec![Coding::RawDeflate]),
        ("br", vec![Coding::Brotli]),
        ("zstd", vec![Coding::Zstd]),
        ("gzip, br", vec![Coding::Gzip, Coding::Brotli]),
    ] {
        let fields = [("content-type", "application/json"), ("content-encoding", name)];
        let of = |text: &str| coding::encode(&codings, text.as_bytes().to_vec()).unwrap();
        let recorded = redact(&fields, &of(r#"{"password":"x","a":1}"#)).unwrap();
        assert_eq!(coding::decode(codings.clone(), &recorded).unwrap().1, br#"{"password":"***","a":1}"#, "{name}");
        let without = of(r#"{"a":1}"#);
        assert_eq!(redact(&fields, &without), Ok(without), "what holds no secret stays as it came: {name}");
    }
}

#[test]
fn a_body_that_cannot_be_decoded_is_dropped() {
    let fields = |coding| [("content-type", "application/json"), ("content-encoding", coding)];
    assert_eq!(redact(&fields("snappy"), b"x"), Err("coding".into()));
    assert_eq!(redact(&fields("gzip"), br#"{"password":"x"}"#), Err("broken".into()));
    let bomb = coding::encode(&[Coding::Gzip], vec![b' '; coding::LARGEST_DECODED + 1]).unwrap();
    assert_eq!(redact(&fields("gzip"), &bomb), Err("too_large".into()));
    assert_eq!(redact(&[("content-type", "image/png"), ("content-encoding", "snappy")], b"x"), Ok(b"x".to_vec()));
}

#[test]
fn the_beginning_of_a_body_is_not_kept_where_a_rule_concerns_it() {
    let redactions = Redactions::default();
    let cut = |kind: &str| {
        let mut body = Body { bytes: b"{\"a\":\"1234-56".into(), length: 99, truncated: true };
        let headers = [("content-type", kind)].into_iter().collect();
        rules().redact(&headers, &mut body, Pen { key: None, redactions: &redactions });
        (body.bytes.len(), body.length, body.truncated)
    };
    assert_eq!(cut("application/json"), (0, 99, true));
    assert_eq!(cut("text/plain"), (0, 99, true));
    assert_eq!(cut("image/png"), (13, 99, true));
    assert!(redactions.bodies().any(|counted| counted == ("truncated", 2)));
}

/// Any JSON document.
fn document() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        ".{0,8}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        let name = prop_oneof![Just("secret".to_owned()), ".{0,4}"];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            proptest::collection::vec((name, inner), 0..4)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

fn masked(value: serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Array(all) => all.into_iter().map(masked).collect(),
        serde_json::Value::Object(all) => serde_json::Value::Object(
            all.into_iter()
                .map(|(name, value)| if name == "secret" { (name, "***".into()) } else { (name, masked(value)) })
                .collect(),
        ),
        leaf => leaf,
    }
}

proptest! {
    #[test]
    fn the_same_is_redacted_as_in_the_parsed_document(document in document()) {
        let pointers = [Pointer::new("", "/**/secret", Action::Mask).unwrap()];
        let pen = Pen { key: None, redactions: &Redactions::default() };
        for text in [document.to_string(), format!("{document:#}")] {
            let redacted = json::redact(&pointers, text.as_bytes(), pen).unwrap().unwrap_or(text.clone().into_bytes());
            let expected = masked(serde_json::from_str(&text).unwrap());
            prop_assert_eq!(serde_json::from_slice::<serde_json::Value>(&redacted).unwrap(), expected);
        }
    }

    #[test]
    fn whatever_another_parser_refuses_is_malformed(text in "[\\[\\]{},:\"'0-9a-e\\\\.+ -]{0,12}") {
        let pen = Pen { key: None, redactions: &Redactions::default() };
        let strict = json::redact(&[Pointer::new("", "/**/a", Action::Mask).unwrap()], text.as_bytes(), pen).is_ok();
        let other = serde_json::Deserializer::from_str(&text).into_iter::<serde_json::Value>().all(|v| v.is_ok());
        // A number too large is one to the grammar alone.
        prop_assert!(!strict || other || text.contains('e'), "{}", text);
    }

    #[test]
    fn no_bytes_panic(bytes: Vec<u8>, kind in 0usize..5) {
        let kinds = ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=a", "text/plain", ""];
        let _ = redact(&[("content-type", kinds[kind])], &bytes);
    }
}
