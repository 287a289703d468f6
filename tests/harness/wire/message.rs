//! What a message was, to the byte.

use super::Framing;

/// A request's or a response's head as it came over the wire.
#[derive(Clone, PartialEq, Eq)]
pub struct Head {
    /// From the first byte up to and including the empty line.
    pub raw: Vec<u8>,
}

impl Head {
    pub(super) fn new(raw: Vec<u8>) -> Self {
        Self { raw }
    }

    fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.raw.split(|b| *b == b'\n').map(|l| l.strip_suffix(b"\r").unwrap_or(l)).filter(|l| !l.is_empty())
    }

    /// The first line without its end.
    pub fn line(&self) -> &[u8] {
        self.lines().next().unwrap_or_default()
    }

    /// The parts of the first line: method, target and version, or version, status and reason.
    fn part(&self, n: usize) -> &[u8] {
        self.line().split(|b| *b == b' ').nth(n).unwrap_or_default()
    }

    /// A request's method.
    pub fn method(&self) -> &[u8] {
        self.part(0)
    }

    /// A request's target.
    pub fn target(&self) -> &[u8] {
        self.part(1)
    }

    /// A response's status code; 0 where there is none.
    pub fn status(&self) -> u16 {
        std::str::from_utf8(self.part(1)).ok().and_then(|s| s.parse().ok()).unwrap_or(0)
    }

    /// The fields in order: names as they were written, values without the space around them.
    pub fn fields(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.lines().skip(1).map(field).collect()
    }

    /// All values of a name, whatever its case.
    pub fn all(&self, name: &str) -> Vec<Vec<u8>> {
        self.fields().into_iter().filter(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes())).map(|(_, v)| v).collect()
    }

    /// The first value of a name as text; empty where there is none.
    pub fn get(&self, name: &str) -> String {
        self.all(name).first().map(|v| String::from_utf8_lossy(v).into_owned()).unwrap_or_default()
    }

    /// How far the body of this request goes.
    pub(crate) fn request_framing(&self) -> Framing {
        self.announced().unwrap_or(Framing::None)
    }

    /// How far the body of this response goes, which answers a request with `method`.
    pub(crate) fn response_framing(&self, method: &[u8]) -> Framing {
        match self.status() {
            _ if method == b"HEAD" => Framing::None,
            100..=199 | 204 | 304 => Framing::None,
            _ => self.announced().unwrap_or(Framing::UntilClose),
        }
    }

    fn announced(&self) -> Option<Framing> {
        if self.get("transfer-encoding").eq_ignore_ascii_case("chunked") {
            return Some(Framing::Chunked);
        }
        self.get("content-length").parse().ok().map(Framing::Length)
    }
}

impl std::fmt::Debug for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.raw.escape_ascii().to_string())
    }
}

/// One line of a section as name and value.
pub(super) fn field(line: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let colon = line.iter().position(|b| *b == b':').unwrap_or(line.len());
    let value = line.get(colon + 1..).unwrap_or_default();
    (line[..colon].to_vec(), value.trim_ascii().to_vec())
}

/// A body as it came over the wire.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RawBody {
    /// With chunk sizes, line ends and trailers where it was chunked.
    pub raw: Vec<u8>,
    /// The content alone.
    pub bytes: Vec<u8>,
    /// The trailer section.
    pub trailers: Vec<(Vec<u8>, Vec<u8>)>,
    /// Whether its end came.
    pub complete: bool,
}

impl std::fmt::Debug for RawBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = &self.bytes[..self.bytes.len().min(200)];
        write!(f, "{} bytes ({}): {}", self.bytes.len(), self.complete, shown.escape_ascii())
    }
}
