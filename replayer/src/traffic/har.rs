//! Exchanges as an HTTP Archive (HAR 1.2), which browsers' developer tools and load testers read.

use std::io::{self, Write};

use data_encoding::BASE64;
use serde_json::{Value, json};
use umbra_common::exchange::{Body, Exchange, Fields};

/// Writes one archive, entry by entry: nothing but the entry at hand is held.
#[derive(Debug, Default)]
pub(super) struct Archive {
    begun: bool,
}

impl Archive {
    pub(super) fn entry(&mut self, exchange: &Exchange, out: &mut dyn Write) -> io::Result<()> {
        self.begin(out)?;
        serde_json::to_writer(&mut *out, &entry(exchange))?;
        Ok(())
    }

    /// Closes the archive; one without entries is one, too.
    pub(super) fn end(mut self, out: &mut dyn Write) -> io::Result<()> {
        if !self.begun {
            self.open(out)?;
        }
        out.write_all(b"\n]}}\n")
    }

    fn begin(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if self.begun {
            return out.write_all(b",\n");
        }
        self.open(out)?;
        out.write_all(b"\n")
    }

    fn open(&mut self, out: &mut dyn Write) -> io::Result<()> {
        self.begun = true;
        let creator = json!({ "name": "umbra-replayer", "version": env!("CARGO_PKG_VERSION") });
        write!(out, "{{\"log\":{{\"version\":\"1.2\",\"creator\":{creator},\"entries\":[")
    }
}

/// Times that were not measured are -1, as the format has it.
fn entry(exchange: &Exchange) -> Value {
    let total = exchange.total.as_secs_f64() * MILLIS;
    let wait = exchange.response.as_ref().map_or(total, |r| r.first_byte.as_secs_f64() * MILLIS);
    json!({
        "startedDateTime": exchange.arrival.to_string(),
        "time": total,
        "request": request(exchange),
        "response": response(exchange),
        "cache": {},
        "timings": { "send": 0, "wait": wait, "receive": (total - wait).max(0.0) },
        "comment": format!("{}, {}", exchange.id, exchange.ending),
    })
}

const MILLIS: f64 = 1e3;

fn request(exchange: &Exchange) -> Value {
    let request = &exchange.request;
    let target = lossy(&request.target);
    let is_origin_form = target.starts_with('/') || target == "*";
    let url = if is_origin_form {
        format!("{}://{}{target}", request.scheme, lossy(&request.authority))
    } else {
        target.clone()
    };
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let query: Vec<_> = pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            json!({ "name": name, "value": value })
        })
        .collect();
    let mut value = json!({
        "method": lossy(&request.method),
        "url": url,
        "httpVersion": request.version.to_string(),
        "cookies": [],
        "headers": section(&request.headers),
        "queryString": query,
        "headersSize": -1,
        "bodySize": request.body.length,
    });
    if !request.body.bytes.is_empty() {
        value["postData"] = content(&request.headers, &request.body);
    }
    value
}

/// What was not answered has status 0.
fn response(exchange: &Exchange) -> Value {
    let Some(response) = &exchange.response else {
        return json!({
            "status": 0, "statusText": "", "httpVersion": exchange.request.version.to_string(), "cookies": [],
            "headers": [], "content": { "size": 0, "mimeType": "" }, "redirectURL": "", "headersSize": -1, "bodySize": -1,
        });
    };
    let mut content = content(&response.headers, &response.body);
    content["size"] = response.body.length.into();
    json!({
        "status": response.status,
        "statusText": "",
        "httpVersion": exchange.request.version.to_string(),
        "cookies": [],
        "headers": section(&response.headers),
        "content": content,
        "redirectURL": response.headers.get("location").map(lossy).unwrap_or_default(),
        "headersSize": -1,
        "bodySize": response.body.length,
    })
}

fn section(fields: &Fields) -> Vec<Value> {
    fields.iter().map(|(name, value)| json!({ "name": lossy(name), "value": lossy(value) })).collect()
}

/// A body as text, or in base64 where it is none.
fn content(headers: &Fields, body: &Body) -> Value {
    let kind = headers.get("content-type").map(lossy).unwrap_or_default();
    let mut content = match std::str::from_utf8(&body.bytes) {
        Ok(text) => json!({ "mimeType": kind, "text": text }),
        Err(_) => json!({ "mimeType": kind, "text": BASE64.encode(&body.bytes), "encoding": "base64" }),
    };
    if (body.bytes.len() as u64) < body.length {
        content["comment"] = format!("{} of {} bytes were recorded", body.bytes.len(), body.length).into();
    }
    content
}

fn lossy(bytes: impl AsRef<[u8]>) -> String {
    String::from_utf8_lossy(bytes.as_ref()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::exchange;
    use std::time::Duration;

    fn archive(exchanges: &[Exchange]) -> Value {
        let (mut archive, mut out) = (Archive::default(), Vec::new());
        exchanges.iter().for_each(|e| archive.entry(e, &mut out).unwrap());
        archive.end(&mut out).unwrap();
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn an_archive_is_one_document_with_an_entry_for_each_exchange() {
        let mut post = exchange("/a?x=1&y", Duration::ZERO);
        post.request.headers.push("content-type", "application/json");
        post.request.body = Body::whole("{}");
        post.response.as_mut().unwrap().body = Body { truncated: true, length: 9, ..Body::whole(&b"\xff"[..]) };
        let mut silent = exchange("/b", Duration::from_secs(1));
        silent.response = None;
        let har = archive(&[post, silent]);
        let entries = &har["log"]["entries"];
        assert_eq!((har["log"]["version"].as_str(), entries.as_array().unwrap().len()), (Some("1.2"), 2));
        assert_eq!(entries[0]["request"]["url"], "http://api.example.com/a?x=1&y");
        assert_eq!(
            entries[0]["request"]["queryString"],
            json!([{"name": "x", "value": "1"}, {"name": "y", "value": ""}])
        );
        assert_eq!(entries[0]["request"]["postData"], json!({"mimeType": "application/json", "text": "{}"}));
        assert!(entries[0]["request"]["postData"].get("comment").is_none());
        let content = &entries[0]["response"]["content"];
        assert_eq!((content["text"].as_str(), content["encoding"].as_str()), (Some("/w=="), Some("base64")));
        assert_eq!(content["comment"], "1 of 9 bytes were recorded");
        let mut headed = exchange("/c", Duration::ZERO);
        headed.response.as_mut().unwrap().body = Body { length: 7, ..Body::default() };
        let headed = archive(&[headed]);
        let comment = &headed["log"]["entries"][0]["response"]["content"]["comment"];
        assert_eq!(comment, "0 of 7 bytes were recorded", "the recorder keeps heads of answers by default");
        assert_eq!(entries[1]["response"]["status"], 0);
        assert_eq!(archive(&[])["log"]["entries"], json!([]));
    }
}
