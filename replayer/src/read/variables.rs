//! What a condition can speak of: the variables and where their values come from.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use cel::Value;
use chrono::{DateTime, FixedOffset};
use umbra_common::exchange::{Body, Ending, Exchange, ExchangeId, Fields, HttpVersion, Request, Scheme};
use umbra_common::fraction::Fraction;
use umbra_common::time::Timestamp;

/// Every variable, in the order in which they are shown.
pub(super) const VARIABLES: [&str; 17] = [
    "method",
    "path",
    "query",
    "target",
    "host",
    "scheme",
    "protocol",
    "grpc",
    "headers",
    "size",
    "status",
    "response_size",
    "session",
    "client",
    "time",
    "took",
    "ending",
];

/// A variable's value for an exchange. Bytes that are no UTF-8 are replaced; where there was no response, its status and
/// size are 0; several values of one header are joined by `, `.
pub(super) fn value(name: &str, exchange: &Exchange) -> Value {
    let request = &exchange.request;
    let response = exchange.response.as_ref();
    match name {
        "method" => text(&request.method),
        "path" => text(request.path()),
        "query" => text(query(&request.target)),
        "target" => text(&request.target),
        "host" => String::from_utf8_lossy(&request.authority).to_lowercase().into(),
        "scheme" => request.scheme.to_string().into(),
        "protocol" => request.version.to_string().into(),
        "grpc" => Value::Bool(request.is_grpc()),
        "headers" => headers(&request.headers).into(),
        "size" => number(request.body.length),
        "status" => number(response.map_or(0, |r| u64::from(r.status))),
        "response_size" => number(response.map_or(0, |r| r.body.length)),
        "session" => exchange.session.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into(),
        "client" => exchange.client.map_or_else(String::new, |c| c.ip().to_canonical().to_string()).into(),
        "time" => Value::Timestamp(time(exchange.arrival)),
        "took" => Value::Duration(chrono::Duration::from_std(exchange.total).unwrap_or(chrono::Duration::MAX)),
        "ending" => exchange.ending.as_str().into(),
        _ => Value::Null,
    }
}

fn text(bytes: &[u8]) -> Value {
    String::from_utf8_lossy(bytes).into_owned().into()
}

fn number(n: u64) -> Value {
    Value::Int(i64::try_from(n).unwrap_or(i64::MAX))
}

fn query(target: &[u8]) -> &[u8] {
    target.iter().position(|b| *b == b'?').map_or(&[], |at| &target[at + 1..])
}

fn headers(fields: &Fields) -> HashMap<String, String> {
    let mut all: HashMap<String, String> = HashMap::with_capacity(fields.len());
    for (name, value) in fields.iter() {
        let value = String::from_utf8_lossy(value);
        let joined = all.entry(String::from_utf8_lossy(name).into_owned());
        joined.and_modify(|all| *all = format!("{all}, {value}")).or_insert_with(|| value.into_owned());
    }
    all
}

fn time(arrival: Timestamp) -> DateTime<FixedOffset> {
    let nanos = i64::try_from(arrival.as_nanos()).unwrap_or(i64::MAX);
    DateTime::from_timestamp_nanos(nanos).fixed_offset()
}

/// An exchange to try a condition on, before there is a real one.
pub(super) fn probe() -> Exchange {
    Exchange {
        id: ExchangeId::new(Timestamp::ZERO, 0),
        arrival: Timestamp::ZERO,
        client: None,
        request: Request {
            method: Bytes::from_static(b"GET"),
            target: Bytes::from_static(b"/"),
            version: HttpVersion::Http11,
            scheme: Scheme::Http,
            authority: Bytes::from_static(b"localhost"),
            headers: Fields::default(),
            body: Body::default(),
            trailers: Fields::default(),
        },
        session: Bytes::new(),
        sampled_at: Fraction::ALL,
        upstream: "".into(),
        recorder: "".into(),
        ending: Ending::Complete,
        total: Duration::ZERO,
        response: None,
    }
}
