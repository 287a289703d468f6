//! Why the recorder ends a connection, or turns one away, that its client would have kept.

/// A reason to end a connection. What one *request* is refused for is a [`Refusal`](crate::edge::Refusal).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parting {
    /// There are as many as there may be.
    Full,
    /// There are as many of this client as there may be.
    ClientFull,
    /// It does not begin with the PROXY protocol header that it was to begin with.
    ProxyHeader,
    /// It was kept long enough without a request.
    Idle,
    /// Its client does not take what is sent.
    SlowReader,
    /// Nothing passes in either direction of an exchange.
    Silent,
    /// HTTP/2: frames that carry nothing, or that change settings all the time.
    Flood,
    /// HTTP/2: streams that are reset as soon as they are opened.
    Resets,
    /// HTTP/2: a header block that does not end.
    SlowHead,
    /// HTTP/2: a header block that is larger than any head may be.
    HeadTooLarge,
    /// HTTP/2: the preface is not followed by SETTINGS.
    NoSettings,
}

impl Parting {
    /// Every reason, each once.
    pub(crate) const ALL: [Self; 11] = [
        Self::Full,
        Self::ClientFull,
        Self::ProxyHeader,
        Self::Idle,
        Self::SlowReader,
        Self::Silent,
        Self::Flood,
        Self::Resets,
        Self::SlowHead,
        Self::HeadTooLarge,
        Self::NoSettings,
    ];

    /// The word in metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::ClientFull => "client_full",
            Self::ProxyHeader => "proxy_header",
            Self::Idle => "idle",
            Self::SlowReader => "slow_reader",
            Self::Silent => "silent",
            Self::Flood => "flood",
            Self::Resets => "resets",
            Self::SlowHead => "slow_head",
            Self::HeadTooLarge => "head_too_large",
            Self::NoSettings => "no_settings",
        }
    }
}
