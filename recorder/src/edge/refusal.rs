//! Why a request is refused, and what its client is told.

use http::StatusCode;

/// Why a request is refused at the edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is no HTTP: hyper's parser stopped.
    Malformed,
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
    /// A tunnel was asked for.
    Connect,
    /// A transfer coding other than `chunked`, or more than one.
    TransferEncoding,
    /// More fields than the limit.
    TooManyFields,
    /// A head over the limit.
    HeadTooLarge,
    /// A target over the limit.
    TargetTooLong,
}

impl Refusal {
    /// Every reason, each once.
    pub(crate) const ALL: [Self; 12] = [
        Self::Malformed,
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
    ];

    /// The word in metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
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
        }
    }

    /// What its client is told.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Connect => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooManyFields | Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}
