//! Exchanges as the messages that stood on the wire, made safe for a terminal.

use std::io::{self, Write};

use umbra_common::exchange::{Body, Exchange, Fields};

use super::{escape, grpc, pretty};

/// The request, and the response where it was recorded.
pub(super) fn message(exchange: &Exchange, out: &mut dyn Write) -> io::Result<()> {
    let request = &exchange.request;
    writeln!(out, "# {} arrived {}", exchange.id, exchange.arrival)?;
    if let Some(client) = exchange.client {
        writeln!(out, "# from {client}")?;
    }
    let total = exchange.total.as_secs_f64() * 1e3;
    writeln!(out, "# to {}, {} after {total:.3} ms", escape::line(exchange.upstream.as_bytes()), exchange.ending)?;
    writeln!(out, "{} {} {}", escape::line(&request.method), escape::line(&request.target), request.version)?;
    if request.headers.get("host").is_none() {
        writeln!(out, ":authority: {}", escape::line(&request.authority))?;
    }
    sections(&request.headers, &request.body, &request.trailers, out)?;
    if let Some(response) = &exchange.response {
        writeln!(out, "\n{} {}", request.version, response.status)?;
        sections(&response.headers, &response.body, &response.trailers, out)?;
    }
    Ok(())
}

fn sections(headers: &Fields, body: &Body, trailers: &Fields, out: &mut dyn Write) -> io::Result<()> {
    section(headers, out)?;
    writeln!(out)?;
    let kind = headers.get("content-type").unwrap_or_default();
    // What is compressed as a whole is neither messages nor text.
    let is_plain = headers.get("content-encoding").is_none();
    if is_plain && kind.starts_with(b"application/grpc") {
        grpc::messages(&body.bytes, out)?;
    } else if escape::is_text(&body.bytes) {
        let document = std::str::from_utf8(&body.bytes).ok().filter(|_| is_json(kind)).and_then(pretty::json);
        let text = escape::text(document.as_deref().map_or(&body.bytes[..], str::as_bytes));
        write!(out, "{text}{}", if text.is_empty() || text.ends_with('\n') { "" } else { "\n" })?;
    } else {
        write!(out, "{}", escape::hex_dump(&body.bytes))?;
    }
    let kept = body.bytes.len() as u64;
    if kept < body.length {
        writeln!(out, "# {} of {} bytes were not recorded", body.length - kept, body.length)?;
    }
    section(trailers, out)
}

/// `application/json`, or another kind with its suffix (RFC 6839, 3.1).
fn is_json(kind: &[u8]) -> bool {
    let kind = kind.split(|b| *b == b';').next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
    kind.ends_with(b"/json") || kind.ends_with(b"+json")
}

fn section(fields: &Fields, out: &mut dyn Write) -> io::Result<()> {
    fields.iter().try_for_each(|(name, value)| writeln!(out, "{}: {}", escape::line(name), escape::line(value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_message_is_whole_and_safe() {
        let mut exchange = crate::testing::exchange("/a", Duration::ZERO);
        exchange.request.headers = [("host", &b"h"[..]), ("x-odd", b"\x1b[2J")].into_iter().collect();
        exchange.request.body = Body { length: 9, ..Body::whole(&b"\0\x01"[..]) };
        exchange.request.trailers = [("x-end", "1")].into_iter().collect();
        let mut out = Vec::new();
        message(&exchange, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(!text.contains('\x1b'));
        assert!(text.contains("GET /a HTTP/1.1\nhost: h\nx-odd: \\x1b[2J\n\n00000000  00 01 "), "{text}");
        assert!(text.contains("# 7 of 9 bytes were not recorded\nx-end: 1\n"), "{text}");
        exchange.request.headers = [("content-type", "application/problem+json; charset=utf-8")].into_iter().collect();
        exchange.request.body = Body::whole("{\"a\":[1]}");
        exchange.response.as_mut().unwrap().headers =
            [("content-type", "application/grpc+proto")].into_iter().collect();
        exchange.response.as_mut().unwrap().body = Body::whole(&b"\0\0\0\0\x02hi"[..]);
        let mut out = Vec::new();
        message(&exchange, &mut out).unwrap();
        let laid_out = String::from_utf8(out).unwrap();
        assert!(laid_out.contains("\n{\n  \"a\": [\n    1\n  ]\n}\n"), "{laid_out}");
        assert!(laid_out.contains("\n# message 1: 2 bytes\n00000000  68 69 "), "{laid_out}");
        assert!(text.contains("\nHTTP/1.1 200\ncontent-type: text/plain\n"), "{text}");
    }
}
