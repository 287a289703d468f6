//! Exchanges as the messages that stood on the wire, made safe for a terminal.

use std::io::{self, Write};

use umbra_common::exchange::{Body, Exchange, Fields};

use super::escape;

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
    if escape::is_text(&body.bytes) {
        let text = escape::text(&body.bytes);
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
        assert!(text.contains("\nHTTP/1.1 200\ncontent-type: text/plain\n"), "{text}");
    }
}
