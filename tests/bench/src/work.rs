//! What is asked for: by which protocol, and how large the answers are.

use std::fmt;

/// A kind of load. Each is a line of its own for each proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Work {
    /// HTTP/1.1, answers of 48 bytes.
    Http1,
    /// HTTP/2, answers of 48 bytes.
    Http2,
    /// HTTP/1.1, answers of 64 KiB.
    #[value(name = "64k")]
    Large,
}

impl Work {
    /// All of them, in the order of the report.
    pub const ALL: [Self; 3] = [Self::Http1, Self::Http2, Self::Large];

    /// What is asked for.
    pub fn path(self) -> &'static str {
        match self {
            Self::Http1 | Self::Http2 => "/",
            Self::Large => "/64k",
        }
    }

    /// What stands behind a proxy's name in the report.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Http1 => "",
            Self::Http2 => ", HTTP/2",
            Self::Large => ", 64 KiB",
        }
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http1 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
            Self::Large => "64 KiB by HTTP/1.1",
        })
    }
}
