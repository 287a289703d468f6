//! A shell command that sends a recorded request again, as exactly as curl can.

use std::io::{self, Write};

use http::HeaderName;
use umbra_common::exchange::{Body, Exchange, HttpVersion};

use crate::target::{Protocol, ShadowRequest, TargetUrl};

/// Fields that curl makes itself, from the URL, the body or the connection.
const BY_CURL: [&[u8]; 7] =
    [b"host", b"content-length", b"transfer-encoding", b"connection", b"keep-alive", b"expect", b"upgrade"];
/// Fields that curl adds unless it is told not to.
const UNASKED: [&str; 3] = ["user-agent", "accept", "content-type"];

/// A longer body does not go onto the command line: Linux takes 128 KiB in one word of it, and what is quoted grows.
const INLINE: usize = 32 << 10;

/// What a command is made of.
struct Parts<'a> {
    method: &'a [u8],
    version: HttpVersion,
    headers: Vec<(&'a [u8], &'a [u8])>,
    body: &'a [u8],
    /// Whether there is a body, be it an empty one.
    has_body: bool,
    url: Vec<u8>,
    /// The target, where it does not follow from the URL.
    target: Option<&'a [u8]>,
}

/// One command on one line, for any POSIX shell; before it, as a comment, what it cannot send again.
pub(super) fn command(exchange: &Exchange, out: &mut dyn Write) -> io::Result<()> {
    let request = &exchange.request;
    let Body { bytes, length, .. } = &request.body;
    if (bytes.len() as u64) < *length {
        writeln!(out, "# incomplete: {} of {length} bytes of the body were recorded", bytes.len())?;
    }
    if !request.trailers.is_empty() {
        writeln!(out, "# incomplete: curl sends no trailers, which this request had")?;
    }
    let is_origin_form = request.target.starts_with(b"/");
    let kept = |name: &[u8]| !BY_CURL.contains(&name) && (name != b"te" || request.version == HttpVersion::Http2);
    let parts = Parts {
        method: &request.method,
        version: request.version,
        headers: request.headers.iter().filter(|(name, _)| kept(name)).collect(),
        body: bytes,
        has_body: request.headers.get("content-length").is_some() || !bytes.is_empty(),
        url: url(exchange),
        target: (!is_origin_form).then_some(&request.target[..]),
    };
    parts.print(out)
}

/// A command that sends a shadow request again. The values of secret fields are left out.
pub(crate) fn shadow_command(shadow: &ShadowRequest, target: &TargetUrl, secrets: &[HeaderName]) -> String {
    let request = &shadow.request;
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let mut headers: Vec<(&[u8], &[u8])> = Vec::new();
    // Over HTTP/2 the host is no field of the request.
    if let Some(authority) = request.uri().authority() {
        headers.push((b"host", authority.as_str().as_bytes()));
    }
    for (name, value) in request.headers() {
        let by_curl = BY_CURL.contains(&name.as_str().as_bytes()) && name != http::header::HOST;
        if !by_curl {
            let value = if secrets.contains(name) { b"***" } else { value.as_bytes() };
            headers.push((name.as_str().as_bytes(), value));
        }
    }
    let parts = Parts {
        method: request.method().as_str().as_bytes(),
        version: if shadow.protocol == Protocol::H2 { HttpVersion::Http2 } else { HttpVersion::Http11 },
        headers,
        body: request.body().bytes(),
        has_body: request.headers().contains_key(http::header::CONTENT_LENGTH) || !request.body().bytes().is_empty(),
        url: [target.to_string().trim_end_matches('/').as_bytes(), path.as_bytes()].concat(),
        target: None,
    };
    let mut out = Vec::new();
    // Writing to memory does not fail.
    let _ = parts.print(&mut out);
    String::from_utf8_lossy(&out).trim_end().to_owned()
}

impl Parts<'_> {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let body = self.body;
        let is_head = self.method == b"HEAD";
        if is_head && !body.is_empty() {
            writeln!(out, "# incomplete: curl sends no body with HEAD, and this one had {} bytes", body.len())?;
        }
        let is_plain = body.len() <= INLINE && body.iter().all(|b| is_printable(*b) || *b == b'\n');
        let is_piped = !is_plain && !is_head;
        if is_piped {
            write!(out, "printf {} | ", octal(body))?;
        }
        write!(out, "curl -sS --globoff --path-as-is")?;
        match self.version {
            HttpVersion::Http2 => write!(out, " --http2-prior-knowledge")?,
            HttpVersion::Http11 => write!(out, " --http1.1")?,
            HttpVersion::Http10 => write!(out, " --http1.0")?,
        }
        match self.method {
            b"HEAD" => write!(out, " --head")?,
            method => write!(out, " -X {}", quoted(method))?,
        }
        for (name, value) in &self.headers {
            // curl takes `name:` for a wish to leave the field out, `name;` for an empty one.
            let field = if value.is_empty() { [name, &b";"[..]].concat() } else { [name, &b": "[..], value].concat() };
            write!(out, " -H {}", quoted(&field))?;
        }
        for name in UNASKED.iter().filter(|name| !self.headers.iter().any(|(key, _)| *key == name.as_bytes())) {
            write!(out, " -H '{name}:'")?;
        }
        if is_piped {
            write!(out, " -H 'expect:' --data-binary @-")?;
        } else if self.has_body && !is_head {
            write!(out, " -H 'expect:' --data-raw {}", quoted(body))?;
        }
        if let Some(target) = self.target {
            write!(out, " --request-target {}", quoted(target))?;
        }
        writeln!(out, " {}", quoted(&self.url))
    }
}

fn url(exchange: &Exchange) -> Vec<u8> {
    let request = &exchange.request;
    let path = if request.target.starts_with(b"/") { &request.target[..] } else { b"/" };
    [request.scheme.to_string().as_bytes(), b"://", &request.authority, path].concat()
}

fn is_printable(byte: u8) -> bool {
    (b' '..=b'~').contains(&byte)
}

/// One word for the shell: in single quotes where it is printable, else by way of printf, so that nothing in it reaches
/// the terminal raw.
fn quoted(bytes: &[u8]) -> String {
    if bytes.iter().all(|b| is_printable(*b) || *b == b'\n') {
        let text: String = bytes.iter().map(|b| *b as char).collect();
        return format!("'{}'", text.replace('\'', r"'\''"));
    }
    format!("\"$(printf {})\"", octal(bytes))
}

/// A format for printf: printable bytes as they are, the rest in octal.
fn octal(bytes: &[u8]) -> String {
    let mut format = String::from("'");
    for byte in bytes {
        match byte {
            b'\\' => format.push_str(r"\\"),
            b'%' => format.push_str("%%"),
            // At the beginning it would be an option.
            b'-' => format.push_str(r"\055"),
            b'\'' => format.push_str(r"'\''"),
            b if is_printable(*b) => format.push(*b as char),
            b => format.push_str(&format!("\\{b:03o}")),
        }
    }
    format.push('\'');
    format
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Sending;
    use crate::target::{Preparer, Target};
    use std::process::Command;
    use std::time::Duration;

    use bytes::Bytes;
    use umbra_common::exchange::Body;

    use crate::testing::{Receiver, exchange};

    /// What the shell makes of one word.
    fn through_the_shell(word: &[u8]) -> Vec<u8> {
        let script = format!("printf %s {}", quoted(word));
        Command::new("sh").args(["-c", &script]).output().unwrap().stdout
    }

    #[test]
    fn no_bytes_escape_their_quotes() {
        for word in
            [&b"plain"[..], b"it's; rm -rf /", b"$(id) `id` \"x\" \\", b"\xff\x1b%s\x01", b"a\nb", b"-n", b"100%\x01"]
        {
            assert_eq!(through_the_shell(word), word, "{}", quoted(word));
        }
    }

    #[test]
    fn the_command_sends_the_request_again() {
        let receiver = Receiver::start();
        let mut exchange = exchange("/a/../b?x[]={1,2}", Duration::ZERO);
        exchange.request.authority = receiver.address.to_string().into();
        exchange.request.method = Bytes::from_static(b"PUT");
        exchange.request.headers = [("x-odd", &b"it's \xff"[..]), ("x-empty", b"")].into_iter().collect();
        exchange.request.body = Body::whole(&b"@\0 100% \\ 'x'"[..]);
        let mut script = Vec::new();
        command(&exchange, &mut script).unwrap();
        let Ok(done) = Command::new("sh").arg("-c").arg(String::from_utf8(script).unwrap()).output() else { panic!() };
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let received = &receiver.received()[0];
        assert_eq!((received.method.as_str(), received.target.as_str()), ("PUT", "/a/../b?x[]={1,2}"));
        assert_eq!(received.headers["x-odd"].as_bytes(), b"it's \xff");
        assert_eq!(received.headers["x-empty"], "");
        assert!(!received.headers.contains_key("user-agent") && !received.headers.contains_key("content-type"));
        assert_eq!(received.body, exchange.request.body.bytes);
    }

    #[test]
    fn a_shadow_request_s_command_sends_what_was_sent_but_for_secrets() {
        let receiver = Receiver::start();
        let target: Target = format!("v2=http://{}", receiver.address).parse().unwrap();
        let mut exchange = exchange("/a?x=1", Duration::ZERO);
        exchange.request.headers.push("authorization", "hunter2");
        exchange.request.body = Body::whole("b");
        let shadow = Preparer::new(target.clone(), Sending::to(vec![target.clone()])).prepare(exchange).unwrap();
        let script = shadow_command(&shadow, &target.url, &[http::header::AUTHORIZATION]);
        assert!(!script.contains("hunter2"), "{script}");
        let done = Command::new("sh").args(["-c", &script]).output().unwrap();
        assert!(done.status.success(), "{script}: {}", String::from_utf8_lossy(&done.stderr));
        let received = &receiver.received()[0];
        assert_eq!((received.target.as_str(), &received.body[..]), ("/a?x=1", &b"b"[..]));
        assert_eq!(received.headers["host"], "api.example.com-shadow");
        assert_eq!(received.headers["umbra-shadow"], "v2");
    }
}
