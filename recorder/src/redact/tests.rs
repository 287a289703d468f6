use std::net::SocketAddr;

use umbra_common::exchange::{Body, Fields};

use super::*;
use crate::rules::{Choice, ClientAction};

const KEY: &str = "a key of sixteen bytes and more";

fn floor(masked: &[&'static str], by_client: bool) -> Floor {
    let limits = crate::tap::Limits { body: 1 << 20, responses: crate::config::Responses::Full };
    Floor {
        choice: Choice { fraction: umbra_common::fraction::Fraction::ALL, limits },
        rule: Vec::new(),
        redact: Vec::new(),
        redact_key: None,
        redact_client: None,
        masked: masked.iter().map(|name| HeaderName::from_static(name)).collect(),
        by_client,
    }
}

/// A redactor by a rules file, with the key that `redact-key` would point to.
fn redactor(text: &str) -> Redactor {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), KEY).unwrap();
    let text = format!("redact-key = 'file:{}'\n{text}", file.path().display());
    Redactor::new(&toml::from_str(&text).unwrap(), &floor(&["authorization", "set-cookie"], false)).unwrap()
}

fn section(redactor: &Redactor, fields: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut fields: Fields = fields.iter().copied().collect();
    redactor.section(&mut fields, Pen { key: redactor.key.as_ref(), redactions: &Redactions::default() });
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    fields.iter().map(|(name, value)| (text(name), text(value))).collect()
}

fn value(redactor: &Redactor, name: &str, value: &str) -> String {
    section(redactor, &[(name, value)]).pop().map_or_else(|| "gone".to_owned(), |(_, value)| value)
}

fn url(redactor: &Redactor, url: &str) -> String {
    let pen = Pen { key: redactor.key.as_ref(), redactions: &Redactions::default() };
    redactor.url(url.as_bytes(), pen).map_or_else(|| url.to_owned(), |url| String::from_utf8(url).unwrap())
}

#[test]
fn every_value_of_a_masked_field_is_masked_in_its_place() {
    let redactor = redactor("[[redact]]\nheaders = 'X-Own'\naction = 'drop'\n");
    let seen = section(
        &redactor,
        &[("a", "1"), ("Authorization", "Bearer x"), ("x-own", "2"), ("b", "2"), ("authorization", ""), ("c", "x")],
    );
    let expected = [("a", "1"), ("authorization", "***"), ("b", "2"), ("authorization", "***"), ("c", "x")];
    assert_eq!(seen, expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
}

#[test]
fn every_field_that_rules_look_at_is_looked_at() {
    let redactor = redactor("redact-client = 'mask'\n[[redact]]\nquery = 'key'\ncookies = 'sid'\n");
    let text = |name: &[u8]| String::from_utf8(name.to_vec()).unwrap();
    for name in fields::URLS {
        assert_eq!(value(&redactor, &text(name), "https://a/?key=1&x=2"), "https://a/?key=***&x=2", "{}", text(name));
    }
    for name in client::FIELDS {
        assert_eq!(value(&redactor, &text(name), "192.0.2.1"), "0.0.0.0", "{}", text(name));
    }
    assert_eq!(value(&redactor, "cookie", "sid=1"), "sid=***");
    for name in ["", "keys", "x-cookie", "accept"] {
        assert_eq!(value(&redactor, name, "sid=1, 192.0.2.1, ?key=1"), "sid=1, 192.0.2.1, ?key=1");
    }
}

#[test]
fn a_hash_is_the_same_for_the_same_value_wherever_it_stands() {
    let redactor = redactor("[[redact]]\naction = 'hash'\nheaders = 'x-user'\nquery = 'user'\n");
    let alice = value(&redactor, "x-user", "alice b");
    assert!(alice.starts_with("hmac-") && alice.len() == "hmac-".len() + 24, "{alice}");
    assert_eq!(url(&redactor, "/?user=alice+b&x=1"), format!("/?user={alice}&x=1"));
    assert_eq!(url(&redactor, "/?user=%61lice%20b"), format!("/?user={alice}"));
    assert_ne!(value(&redactor, "x-user", "bob"), alice);
}

#[test]
fn a_block_can_hash_what_is_masked_by_default() {
    let redactor = redactor("[[redact]]\naction = 'hash'\nheaders = 'authorization'\n");
    assert!(value(&redactor, "authorization", "Bearer x").starts_with("hmac-"));
    assert!(redactor.to_string().contains("hashed: authorization"), "{redactor}");
}

#[test]
fn cookies_are_redacted_by_name_among_others() {
    let all = |action: &str| redactor(&format!("[[redact]]\ncookies = ['sid', 'tok']\naction = '{action}'\n"));
    let (mask, drop) = (all("mask"), all("drop"));
    for (field, masked, dropped) in [
        ("a=1; sid=x; b=2", "a=1; sid=***; b=2", "a=1; b=2"),
        ("sid=x", "sid=***", ""),
        ("a=1;sid=x;tok=y", "a=1;sid=***;tok=***", "a=1;"),
        ("sid=\"x; y\"; b=2", "sid=***; b=2", " b=2"),
        ("sid=\"x; b=2", "sid=***; b=2", " b=2"),
        ("sid = x ; b=2", "sid =***; b=2", " b=2"),
        ("a=1; sid; SID=z; xsid=1", "a=1; sid; SID=z; xsid=1", "a=1; sid; SID=z; xsid=1"),
    ] {
        assert_eq!(value(&mask, "cookie", field), masked, "{field}");
        assert_eq!(value(&drop, "cookie", field), dropped, "{field}");
    }
}

#[test]
fn urls_lose_their_secrets_and_nothing_else() {
    let redactor = redactor("[[redact]]\nquery = ['token', 'a b']\npath = '^/users/([^/]+)'\n");
    for (given, expected) in [
        ("/x?a=1&token=s3cret&b=%20+", "/x?a=1&token=***&b=%20+"),
        ("/x?tok%65n=s&token=&token", "/x?tok%65n=***&token=***&token"),
        ("/x?a+b=1&a%20b=2;c", "/x?a+b=***&a%20b=***"),
        ("/x?a=1;token=s;b=2", "/x?a=1;token=***"),
        ("/x?q=token=1", "/x?q=token=1"),
        ("/users/alice/x?token=1#token=2", "/users/***/x?token=***#token=***"),
        ("http://u:p@h:1/users/bob", "http://***@h:1/users/***"),
        ("https://u@h?token=1", "https://***@h?token=***"),
        ("/a//b@c?x=http://u:p@h", "/a//b@c?x=http://u:p@h"),
        ("*", "*"),
    ] {
        assert_eq!(url(&redactor, given), expected);
        if given != "*" {
            assert_eq!(value(&redactor, "referer", given), expected);
            assert_eq!(value(&redactor, "location", given), expected);
        }
    }
    let drop = super::tests::redactor("[[redact]]\nquery = 'token'\naction = 'drop'\n");
    for (given, expected) in
        [("/?token=1&a=2&token=3&b=4&token=5", "/?a=2&b=4"), ("/?token=1", "/?"), ("/?a=1;token=s&b", "/?a=1&b")]
    {
        assert_eq!(url(&drop, given), expected);
    }
}

#[test]
fn set_cookie_is_redacted_by_name_where_it_is_kept() {
    let text: RulesText = toml::from_str("[[redact]]\ncookies = 'sid'\n").unwrap();
    let redactor = Redactor::new(&text, &floor(&[], false)).unwrap();
    assert_eq!(value(&redactor, "set-cookie", "sid=x; Path=/; Secure"), "sid=***; Path=/; Secure");
    assert_eq!(value(&redactor, "set-cookie", "other=x; Path=/"), "other=x; Path=/");
    let error = Redactor::new(&text, &floor(&["cookie", "set-cookie"], false)).unwrap_err().to_string();
    assert!(error.contains("would do nothing") && error.contains("--keep-header cookie"), "{error}");
}

#[test]
fn client_addresses_are_redacted_on_the_connection_and_in_fields() {
    let of = |action: &str, address: &str, field: &str| {
        let redactor = redactor(&format!("redact-client = '{action}'\n"));
        let mut client = address.parse::<SocketAddr>().ok();
        redactor.client(&mut client, Pen { key: redactor.key.as_ref(), redactions: &Redactions::default() });
        (client.map(|c| c.to_string()), value(&redactor, "x-forwarded-for", field))
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        of("truncate", "10.1.2.3:99", "10.1.2.3, 2001:db8:1:2::3,x"),
        (some("10.1.2.0:0"), "10.1.2.0, 2001:db8:1::, ***".into())
    );
    assert_eq!(of("mask", "[2001:db8::1]:99", "10.1.2.3"), (some("[::]:0"), "0.0.0.0".into()));
    assert_eq!(of("drop", "10.1.2.3:99", "10.1.2.3"), (None, "gone".into()));
    let (client, field) = of("hash", "10.1.2.3:99", "10.1.2.3:5");
    assert_eq!(client, Some(format!("[{field}]:0")));
    assert!(field.starts_with("fd"), "{field}");
}

#[test]
fn a_session_says_nothing_of_an_address_that_is_redacted() {
    let mut session = Cow::from(&b"12345678"[..]);
    redactor("").session(&mut session);
    assert_eq!(session.len(), 8);
    assert_ne!(&session[..], b"12345678");
    let text = RulesText { redact_client: Some(ClientAction::Mask), ..RulesText::default() };
    Redactor::new(&text, &floor(&[], true)).unwrap().session(&mut session);
    assert!(session.is_empty());
}

#[test]
fn what_the_command_line_redacts_no_rules_file_keeps() {
    let mut floor = floor(&["authorization"], false);
    floor.redact_client = Some(ClientAction::Drop);
    floor.redact = vec![toml::from_str("query = 'token'\naction = 'drop'").unwrap()];
    let text = toml::from_str("redact-client = 'truncate'\n[[redact]]\nquery = 'token'\n").unwrap();
    let redactor = Redactor::new(&text, &floor).unwrap();
    assert_eq!(redactor.client_action(), Some(ClientAction::Drop));
    assert_eq!(url(&redactor, "/?token=1&a=2"), "/?a=2");
}

#[test]
fn what_is_not_named_is_left_alone() {
    let redactor = redactor("[[redact]]\njson = '/a'\nquery = 'b'\nheaders = 'x-c'\n");
    let before: Fields = [("cookie", "sid=x"), ("referer", "/?a=1"), ("x-cc", "1")].into_iter().collect();
    let (mut after, mut body) = (before.clone(), Body::whole(&b"plain text"[..]));
    let pen = Pen { key: redactor.key.as_ref(), redactions: &Redactions::default() };
    redactor.section(&mut after, pen);
    redactor.body.redact(&before, &mut body, pen);
    assert_eq!((after, body), (before, Body::whole(&b"plain text"[..])));
}

#[test]
fn the_summary_says_everything_and_never_the_key() {
    let redactor = redactor(
        "redact-client = 'truncate'\n[[redact]]\ncookies = 'sid'\nquery = 'q'\njson = '/a/*'\n\
         [[redact]]\naction = 'hash'\nform = 'f'\nmultipart = 'm'\n[[redact]]\naction = 'drop'\ntext = 't+'\npath = 'p'\n",
    );
    assert_eq!(
        redactor.to_string(),
        "masked: authorization, set-cookie, cookie sid, query q, json /a/*; dropped: path p, text t+; \
         hashed: form f, multipart m; client addresses: truncate"
    );
    assert!(!format!("{redactor:?}").contains(KEY));
}
