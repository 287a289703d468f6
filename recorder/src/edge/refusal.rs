//! Why a request is refused, and what its client is told.

use http::StatusCode;

/// Why a request is refused at the edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is no HTTP: hyper's parser stopped.
    Malformed,
    /// Its head did not come in time.
    SlowHead,
    /// Its body did not go on in time.
    SlowBody,
    /// No host is named.
    NoHost,
    /// More than one host is named.
    ManyHosts,
    /// The host is no authority.
    BadHost,
    /// The target names another host than the field.
    HostMismatch,
    /// `*` is for OPTIONS alone.
    Asterisk,
    /// The target has a form that its method does not take.
    TargetForm,
    /// A tunnel was asked for, other than by an upgrade or by what is one in HTTP/2.
    Connect,
    /// A transfer coding other than `chunked`, or more than one.
    TransferEncoding,
    /// More fields than the limit.
    TooManyFields,
    /// A head over the limit.
    HeadTooLarge,
    /// A target over the limit.
    TargetTooLong,
    /// The request line is not `method SP target SP HTTP/1.x`.
    RequestLine,
    /// A protocol version that is not spoken here.
    Version,
    /// The target has a fragment, which no client sends.
    Fragment,
    /// A malformed field line: a space before the colon, a folded line, a control byte.
    Field,
    /// A line that ends in a bare LF, or a CR inside of one.
    LineEnd,
    /// Content-Length that is no plain number, more than one, or beside Transfer-Encoding.
    ContentLength,
    /// A transfer coding that is not implemented.
    TransferCoding,
    /// A chunk's size line or end is malformed.
    Chunk,
    /// Bytes came behind a request for another protocol before the origin had refused it.
    EarlyUpgrade,
    /// A replay of what was recorded here: it would reach production.
    OwnReplay,
}

impl Refusal {
    /// Every reason, each once.
    pub(crate) const ALL: [Self; 24] = [
        Self::Malformed,
        Self::SlowHead,
        Self::SlowBody,
        Self::NoHost,
        Self::ManyHosts,
        Self::BadHost,
        Self::HostMismatch,
        Self::Asterisk,
        Self::TargetForm,
        Self::Connect,
        Self::TransferEncoding,
        Self::TooManyFields,
        Self::HeadTooLarge,
        Self::TargetTooLong,
        Self::RequestLine,
        Self::Version,
        Self::Fragment,
        Self::Field,
        Self::LineEnd,
        Self::ContentLength,
        Self::TransferCoding,
        Self::Chunk,
        Self::EarlyUpgrade,
        Self::OwnReplay,
    ];

    /// The word in metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::SlowHead => "slow_head",
            Self::SlowBody => "slow_body",
            Self::NoHost => "no_host",
            Self::ManyHosts => "many_hosts",
            Self::BadHost => "bad_host",
            Self::HostMismatch => "host_mismatch",
            Self::Asterisk => "asterisk",
            Self::TargetForm => "target_form",
            Self::Connect => "connect",
            Self::TransferEncoding => "transfer_encoding",
            Self::TooManyFields => "too_many_fields",
            Self::HeadTooLarge => "head_too_large",
            Self::TargetTooLong => "target_too_long",
            Self::RequestLine => "request_line",
            Self::Version => "version",
            Self::Fragment => "fragment",
            Self::Field => "field",
            Self::LineEnd => "line_end",
            Self::ContentLength => "content_length",
            Self::TransferCoding => "transfer_coding",
            Self::Chunk => "chunk",
            Self::EarlyUpgrade => "early_upgrade",
            Self::OwnReplay => "own_replay",
        }
    }

    /// What its client is told.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::SlowHead | Self::SlowBody => StatusCode::REQUEST_TIMEOUT,
            Self::Connect => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooManyFields | Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::TransferCoding => StatusCode::NOT_IMPLEMENTED,
            Self::OwnReplay => StatusCode::MISDIRECTED_REQUEST,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}
