use bytes::Bytes;
use http::HeaderName;
use http::Request;
use http::request::Parts;

use super::{Choice, Decision, Floor, Head, Origin, Rules, RulesSetting, RulesView};
use crate::config::Responses;
use crate::tap::Limits;

const BASE: Choice = Choice {
    fraction: umbra_common::fraction::Fraction::ALL,
    limits: Limits { body: 1000, responses: Responses::Head },
};

fn setting() -> RulesSetting {
    let floor = Floor {
        choice: BASE,
        rule: Vec::new(),
        redact: Vec::new(),
        redact_key: None,
        redact_client: None,
        masked: vec![HeaderName::from_static("authorization")],
        by_client: false,
    };
    RulesSetting { file: None, floor }
}

fn rules(text: &str) -> std::sync::Arc<Rules> {
    let setting = setting();
    let rules = Rules::new(setting.clone(), setting.start().unwrap());
    rules.put(text, Origin::File).unwrap();
    rules
}

fn refused(text: &str) -> String {
    let rules = rules("");
    let why = rules.put(text, Origin::Admin).unwrap_err().to_string();
    assert_eq!((rules.counts(), rules.state().refused.map(|r| r.why)), ((1, 1), Some(why.clone())));
    why
}

fn get(uri: &str, fields: &[(&str, &str)]) -> Parts {
    let builder = fields.iter().fold(Request::get(uri), |builder, (name, value)| builder.header(*name, *value));
    builder.body(()).unwrap().into_parts().0
}

/// The fraction that a request is taken at, in text.
fn fraction(rules: &Rules, parts: &Parts) -> String {
    let view = RulesView::new(rules);
    match view.decide(&Head { parts, mirrored: false }, |fraction| Some(fraction.to_string().into())) {
        Decision::Take { session, fraction, .. } => {
            assert_eq!(session, fraction.to_string());
            fraction.to_string()
        }
        other => format!("{other:?}"),
    }
}

#[test]
fn the_first_rule_that_matches_decides() {
    let rules = rules(
        "[[rule]]\npath = '/health'\nsample = '0.0001%'\n\
         [[rule]]\nmethod = ['get', 'HEAD']\nhost = '*.example.com'\npath = '/api/**'\nsample = '1%'\n\
         [[rule]]\nheader = ['x-user=a*', 'x-canary']\nsample = '2%'\n\
         [[rule]]\nheader = 'user-agent=~^kube-probe/[0-9]+'\nsample = '3%'\n\
         [[rule]]\ncontent-type = 'application/*json'\nsample = '4%'\n",
    );
    for (uri, fields, expected) in [
        ("/health?x=1", &[][..], "0.0001%"),
        ("/healthy", &[], "100%"),
        ("http://A.Example.com:8080/api/v1/x", &[], "1%"),
        ("/api/v1", &[("host", "b.example.com:1")], "1%"),
        ("/api/v1", &[("host", "example.com")], "100%"),
        ("/", &[("x-user", "bob"), ("x-user", "alice"), ("x-canary", "")], "2%"),
        ("/", &[("x-user", "alice")], "100%"),
        ("/", &[("user-agent", "kube-probe/1.30")], "3%"),
        ("/", &[("content-type", "Application/vnd.a+JSON; charset=utf-8")], "4%"),
    ] {
        assert_eq!(fraction(&rules, &get(uri, fields)), expected, "{uri} {fields:?}");
    }
    let matched: Vec<_> = rules.live().list().map(|(name, _, c)| format!("{name} {}", c.matched())).collect();
    assert_eq!(matched, ["rule-1 1", "rule-2 2", "rule-3 1", "rule-4 1", "rule-5 1", "default 3"]);
}

#[test]
fn a_star_stays_within_a_segment_and_two_do_not() {
    let rules = rules("[[rule]]\npath = ['/a/*/z', '/b/**']\nsample = '1%'\n");
    for (path, expected) in [("/a/x/z", "1%"), ("/a/x/y/z", "100%"), ("/b/x/y", "1%"), ("/B/x", "100%")] {
        assert_eq!(fraction(&rules, &get(path, &[])), expected, "{path}");
    }
}

#[test]
fn a_mirrored_host_matches_without_its_suffix() {
    let rules = rules("[[rule]]\nhost = 'api'\nsample = '1%'\n");
    let parts = get("/", &[("host", "api-shadow:80")]);
    let view = RulesView::new(&rules);
    let at = |mirrored| match view.decide(&Head { parts: &parts, mirrored }, |_| Some(Bytes::new())) {
        Decision::Take { fraction, .. } => fraction.to_string(),
        other => format!("{other:?}"),
    };
    assert_eq!((at(true), at(false)), ("1%".into(), "100%".into()));
}

#[test]
fn a_rule_says_how_much_of_a_request_is_kept() {
    let rules = rules("[[rule]]\npath = '/big'\nbody-limit = '0B'\nresponses = 'off'\n");
    let view = RulesView::new(&rules);
    let parts = get("/big", &[]);
    let decision = view.decide(&Head { parts: &parts, mirrored: false }, |_| Some(Bytes::new()));
    let limits = Limits { body: 0, responses: Responses::Off };
    assert_eq!(decision, Decision::Take { session: Bytes::new(), fraction: BASE.fraction, limits });
}

#[test]
fn other_rules_take_the_place_of_those_in_force_and_counts_go_on() {
    let rules = rules("[[rule]]\nname = 'a'\npath = '/a'\nsample = '1%'\n");
    let view = RulesView::new(&rules);
    let parts = get("/a", &[]);
    let decide = || {
        view.decide(&Head { parts: &parts, mirrored: false }, |fraction| {
            (fraction.to_string() == "2%").then(Bytes::new)
        })
    };
    assert_eq!(decide(), Decision::LeaveOut);
    rules
        .put(
            "[[rule]]\nname = 'b'\npath = '/b'\nsample = '0%'\n[[rule]]\nname = 'a'\npath = '/a'\nsample = '2%'\n",
            Origin::Admin,
        )
        .unwrap();
    assert!(matches!(decide(), Decision::Take { .. }));
    let live = rules.live();
    let a = live.list().find(|(name, ..)| *name == "a").unwrap().2;
    assert_eq!((a.matched(), a.taken()), (2, 1));
    assert_ne!(live.version(), "");
}

#[test]
fn recording_is_stopped_by_rules_and_by_operators() {
    let rules = rules("recording = false");
    let parts = get("/", &[]);
    assert_eq!((fraction(&rules, &parts), rules.paused_by()), ("Paused".into(), Some(Origin::File)));
    rules.put("", Origin::File).unwrap();
    assert_eq!((fraction(&rules, &parts), rules.paused_by()), ("100%".into(), None));
    rules.pause(true);
    assert_eq!((fraction(&rules, &parts), rules.paused_by()), ("Paused".into(), Some(Origin::Admin)));
    rules.pause(false);
    assert_eq!(fraction(&rules, &parts), "100%");
}

#[test]
fn rules_that_cannot_be_used_are_refused_with_the_place_and_the_value() {
    for (text, says) in [
        ("rule = 1", "line 1: "),
        ("\n[[rule]]\ncolour = 1", "line 3: unknown field `colour`"),
        ("[[rule]]\nsample = '200%'", "'200%' is no fraction"),
        ("[[rule]]\nsample = 1", "line 2: "),
        ("[[rule]]\npath = '/a'", "rule 'rule-1' says nothing of what is recorded"),
        ("[[rule]]\nname = ''\nsample = '1%'", "is no name"),
        (
            "[[rule]]\nname = 'a'\nsample = '1%'\n[[rule]]\nname = 'a'\nsample = '1%'",
            "rule 'a' has a name that is taken",
        ),
        ("[[rule]]\nname = 'default'\nsample = '1%'", "a name that is taken"),
        ("[[rule]]\nmethod = 'G T'\nsample = '1%'", "rule 'rule-1', method: 'G T' is no method"),
        ("[[rule]]\npath = '{'\nsample = '1%'", "rule 'rule-1', path: '{' is no glob"),
        ("[[rule]]\npath = ''\nsample = '1%'", "matches nothing"),
        ("[[rule]]\nheader = 'a b'\nsample = '1%'", "names no header"),
        ("[[rule]]\nheader = 'a=~('\nsample = '1%'", "is no regular expression"),
        ("[[rule]]\nbody-limit = '1MiB'", "is over --body-limit"),
        ("[[rule]]\nbody-limit = 'much'", "'much' is no size"),
        ("[[redact]]\naction = 'mask'", "[[redact]] 1 names nothing to redact"),
        ("[[redact]]\naction = 'hide'\nquery = 'a'", "unknown variant `hide`"),
        ("[[redact]]\naction = 'hash'\nquery = 'a'", "there is no key"),
        ("[[redact]]\njson = 'a'", "[[redact]] 1, json: 'a' is no JSON pointer"),
        ("[[redact]]\njson = '/a~2'", "'~' stands before 0 or 1"),
        ("[[redact]]\njson = '/a/**'", "a name follows '**'"),
        ("[[redact]]\ntext = '['", "[[redact]] 1, text: '[' is no regular expression"),
        ("[[redact]]\nheaders = 'a b'", "is no header name"),
        ("[[redact]]\nquery = ['']", "is no name"),
        ("redact-client = 'hash'", "redact-client hashes, and there is no key"),
        ("redact-key = 'hunter2-hunter2-hunter2'", "give env:NAME or file:PATH"),
    ] {
        let why = refused(text);
        assert!(why.contains(says) && !why.contains("hunter2") && !why.contains('\n'), "{text}: {why}");
    }
}
