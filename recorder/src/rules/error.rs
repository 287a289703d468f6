//! Rules that cannot be used.

/// What is wrong with rules, and where.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RulesError {
    /// The file cannot be read.
    #[error("cannot read it: {0}")]
    Read(#[from] std::io::Error),
    /// It is larger than rules are.
    #[error("it is over {0} bytes: rules are short, is this the right file?")]
    TooLarge(u64),
    /// It is no TOML, has an unknown key or a wrong value.
    #[error("line {line}: {why}")]
    Content {
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// A value that cannot work.
    #[error("{place}: '{value}' {why}")]
    Value {
        /// The rule or block, and the key.
        place: String,
        /// The value as given.
        value: String,
        /// What is wrong with it, and what to do.
        why: String,
    },
    /// A rule or a block that cannot work as a whole.
    #[error("{place} {why}")]
    Whole {
        /// The rule or block.
        place: String,
        /// What is wrong with it, and what to do.
        why: String,
    },
    /// The key of hashes.
    #[error(transparent)]
    Secret(#[from] umbra_common::config::ConfigError),
}

impl RulesError {
    pub(crate) fn value(place: impl Into<String>, value: &str, why: impl Into<String>) -> Self {
        Self::Value { place: place.into(), value: value.to_owned(), why: why.into() }
    }

    pub(crate) fn whole(place: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Whole { place: place.into(), why: why.into() }
    }

    /// A parser's error on one line, without the text it quotes.
    pub(super) fn content(text: &str, error: &toml::de::Error) -> Self {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = 1 + before.matches('\n').count();
        Self::Content { line, why: error.message().lines().collect::<Vec<_>>().join("; ") }
    }
}
