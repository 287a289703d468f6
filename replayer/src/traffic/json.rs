//! Exchanges as JSON objects, one a line.

use std::io::{self, Write};

use serde::Serialize;
use serde::ser::Serializer;
use umbra_common::exchange::{Body, Exchange, Fields};

/// An exchange without its sections and bodies.
#[derive(Serialize)]
struct Summary<'a> {
    id: String,
    time: String,
    method: Text<'a>,
    scheme: String,
    host: Text<'a>,
    target: Text<'a>,
    version: String,
    status: Option<u16>,
    ending: &'static str,
    duration_ms: f64,
    request_bytes: u64,
    response_bytes: Option<u64>,
    client: Option<String>,
    sampled_at: String,
    upstream: &'a str,
    recorder: &'a str,
}

/// All of it.
#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    summary: Summary<'a>,
    session: Option<String>,
    request: Message<'a>,
    response: Option<Message<'a>>,
}

#[derive(Serialize)]
struct Message<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    first_byte_ms: Option<f64>,
    /// (name, value), in order.
    headers: Vec<(Text<'a>, Text<'a>)>,
    body: Text<'a>,
    body_truncated: bool,
    trailers: Vec<(Text<'a>, Text<'a>)>,
}

/// A string where the bytes are UTF-8, `{"hex": "…"}` where they are not: nothing is lost.
struct Text<'a>(&'a [u8]);

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(self.0) {
            Ok(text) => to.serialize_str(text),
            Err(_) => to.collect_map([("hex", hex(self.0))]),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

const MILLIS: f64 = 1e3;

fn summary(exchange: &Exchange) -> Summary<'_> {
    let request = &exchange.request;
    Summary {
        id: exchange.id.to_string(),
        time: exchange.arrival.to_string(),
        method: Text(&request.method),
        scheme: request.scheme.to_string(),
        host: Text(&request.authority),
        target: Text(&request.target),
        version: request.version.to_string(),
        status: exchange.response.as_ref().map(|r| r.status),
        ending: exchange.ending.as_str(),
        duration_ms: exchange.total.as_secs_f64() * MILLIS,
        request_bytes: request.body.length,
        response_bytes: exchange.response.as_ref().map(|r| r.body.length),
        client: exchange.client.map(|c| c.to_string()),
        sampled_at: exchange.sampled_at.to_string(),
        upstream: &exchange.upstream,
        recorder: &exchange.recorder,
    }
}

fn message<'a>(headers: &'a Fields, body: &'a Body, trailers: &'a Fields, first_byte_ms: Option<f64>) -> Message<'a> {
    let section = |fields: &'a Fields| fields.iter().map(|(name, value)| (Text(name), Text(value))).collect();
    Message {
        first_byte_ms,
        headers: section(headers),
        body: Text(&body.bytes),
        body_truncated: (body.bytes.len() as u64) < body.length,
        trailers: section(trailers),
    }
}

/// One line without sections and bodies.
pub(super) fn short(exchange: &Exchange, out: &mut dyn Write) -> io::Result<()> {
    line(&summary(exchange), out)
}

/// One line with everything.
pub(super) fn whole(exchange: &Exchange, out: &mut dyn Write) -> io::Result<()> {
    let request = &exchange.request;
    let whole = Whole {
        summary: summary(exchange),
        session: (!exchange.session.is_empty()).then(|| hex(&exchange.session)),
        request: message(&request.headers, &request.body, &request.trailers, None),
        response: exchange
            .response
            .as_ref()
            .map(|r| message(&r.headers, &r.body, &r.trailers, Some(r.first_byte.as_secs_f64() * MILLIS))),
    };
    line(&whole, out)
}

fn line(value: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn bytes_that_are_no_text_are_kept_as_hex() {
        let mut exchange = crate::testing::exchange("/a", Duration::ZERO);
        exchange.request.headers = [("x-odd", &b"\xff\x00"[..])].into_iter().collect();
        exchange.request.body = Body::whole(&b"\x80"[..]);
        // Only the head of the answer was recorded.
        exchange.response.as_mut().unwrap().body = Body { length: 7, ..Body::default() };
        let mut out = Vec::new();
        whole(&exchange, &mut out).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["request"]["headers"][0], serde_json::json!(["x-odd", {"hex": "ff00"}]));
        assert_eq!(value["request"]["body"]["hex"], "80");
        assert_eq!((value["status"].as_u64(), value["target"].as_str()), (Some(200), Some("/a")));
        assert_eq!(
            (&value["request"]["body_truncated"], &value["response"]["body_truncated"]),
            (&false.into(), &true.into())
        );
        assert_eq!(out.iter().filter(|b| **b == b'\n').count(), 1);
    }
}
