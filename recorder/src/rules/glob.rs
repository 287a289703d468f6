//! Globs and header conditions, compiled once and asked for every request.

use globset::GlobBuilder;
use http::{HeaderMap, HeaderName};
use regex::bytes::{Regex, RegexBuilder};

use super::RulesError;

/// Patterns of which one has to match; all match where there are none.
#[derive(Clone, Debug, Default)]
pub(super) struct Globs(Vec<Glob>);

#[derive(Clone, Debug)]
enum Glob {
    /// Without any wildcard: most hosts, paths and content types.
    Exact(Vec<u8>),
    Pattern(Regex),
}

/// How a kind of text is compared.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    /// `*` stops at `/`, and `**` does not.
    pub(super) segments: bool,
    /// Upper and lower case are the same.
    pub(super) any_case: bool,
}

impl Globs {
    pub(super) fn new<'a>(
        place: &str,
        patterns: impl Iterator<Item = &'a str>,
        style: Style,
    ) -> Result<Self, RulesError> {
        patterns.map(|pattern| Glob::new(place, pattern, style)).collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn matches(&self, text: &[u8]) -> bool {
        self.0.is_empty() || self.0.iter().any(|glob| glob.matches(text))
    }
}

impl Glob {
    fn new(place: &str, pattern: &str, style: Style) -> Result<Self, RulesError> {
        if pattern.is_empty() {
            return Err(RulesError::value(place, pattern, "matches nothing: leave it out, or give a glob"));
        }
        if !style.any_case && !pattern.contains(['*', '?', '[', ']', '{', '}', '\\']) {
            return Ok(Self::Exact(pattern.as_bytes().to_vec()));
        }
        let wrong = |why: String| RulesError::value(place, pattern, format!("is no glob: {why}"));
        let glob = GlobBuilder::new(pattern)
            .literal_separator(style.segments)
            .case_insensitive(style.any_case)
            .backslash_escape(true)
            .build()
            .map_err(|e| wrong(e.kind().to_string()))?;
        Regex::new(glob.regex()).map(Self::Pattern).map_err(|e| wrong(e.to_string()))
    }

    fn matches(&self, text: &[u8]) -> bool {
        match self {
            Self::Exact(exact) => exact == text,
            Self::Pattern(pattern) => pattern.is_match(text),
        }
    }
}

/// A condition on a header: `NAME`, `NAME=GLOB` or `NAME=~REGEX`.
#[derive(Clone, Debug)]
pub(super) struct HeaderIs {
    name: HeaderName,
    value: Value,
}

#[derive(Clone, Debug)]
enum Value {
    Any,
    Like(Glob),
}

impl HeaderIs {
    pub(super) fn new(place: &str, text: &str) -> Result<Self, RulesError> {
        const VALUE: Style = Style { segments: false, any_case: false };
        let (name, value) = match text.split_once('=') {
            None => (text, Value::Any),
            Some((name, value)) => match value.strip_prefix('~') {
                Some(regex) => (name, Value::Like(Glob::Pattern(pattern(place, regex)?))),
                None => (name, Value::Like(Glob::new(place, value, VALUE)?)),
            },
        };
        let name = name
            .parse()
            .map_err(|_| RulesError::value(place, text, "names no header: give NAME, NAME=GLOB or NAME=~REGEX"))?;
        Ok(Self { name, value })
    }

    /// Whether one of the values of that name is as wanted.
    pub(super) fn holds(&self, headers: &HeaderMap) -> bool {
        match &self.value {
            Value::Any => headers.contains_key(&self.name),
            Value::Like(glob) => headers.get_all(&self.name).iter().any(|value| glob.matches(value.as_bytes())),
        }
    }
}

/// What one compiled expression may take: far more than a careful one does.
const LARGEST_PATTERN: usize = 1 << 20;

/// A regular expression on bytes, in the grammar of the `regex` crate: linear time whatever it is given.
pub(crate) fn pattern(place: &str, text: &str) -> Result<Regex, RulesError> {
    RegexBuilder::new(text).size_limit(LARGEST_PATTERN).build().map_err(|e| {
        let why = e.to_string();
        let last = why.lines().last().unwrap_or_default().trim_start_matches("error: ");
        RulesError::value(place, text, format!("is no regular expression: {last}"))
    })
}
