//! The ways an exchange can end, for each of the two programs.

use super::Outcome;

/// How a request ended in the recorder's ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordOutcome {
    /// The store has confirmed the record.
    Recorded,
    /// Sampling left it out.
    SampledOut,
    /// It is not recorded by rule.
    Skipped(SkipReason),
    /// It should have been recorded and was lost.
    Dropped(DropReason),
}

/// Why a request is not recorded by rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SkipReason {
    /// It carries the marker of a replayer.
    Marked,
    /// Recording was paused.
    Paused,
    /// It was refused at the edge and reached no origin.
    Refused,
}

/// Why a record was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// `--memory-limit` was used up by bodies and records under way.
    Memory,
    /// It would have held more than one record's part of `--memory-limit`: large ones give way first.
    MemoryShare,
    /// The queue to the store was full.
    QueueFull,
    /// The store's own queue was full.
    StoreFull,
    /// The store did not confirm it in time.
    StoreTimeout,
    /// The store refused it: too large, no permission, an error of its own.
    StoreRejected,
    /// The record is over the store's message limit.
    TooLarge,
    /// The store did not take records, and `--spool` was full.
    SpoolFull,
    /// It was still on its way when the drain's deadline passed.
    Drain,
    /// Its task ended without saying how: a defect.
    Abandoned,
}

impl Outcome for RecordOutcome {
    const ALL: &'static [Self] = &[
        Self::Recorded,
        Self::SampledOut,
        Self::Skipped(SkipReason::Marked),
        Self::Skipped(SkipReason::Paused),
        Self::Skipped(SkipReason::Refused),
        Self::Dropped(DropReason::Memory),
        Self::Dropped(DropReason::MemoryShare),
        Self::Dropped(DropReason::QueueFull),
        Self::Dropped(DropReason::StoreFull),
        Self::Dropped(DropReason::StoreTimeout),
        Self::Dropped(DropReason::StoreRejected),
        Self::Dropped(DropReason::TooLarge),
        Self::Dropped(DropReason::SpoolFull),
        Self::Dropped(DropReason::Drain),
        Self::Dropped(DropReason::Abandoned),
    ];
    const ABANDONED: Self = Self::Dropped(DropReason::Abandoned);

    fn state(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::SampledOut => "sampled_out",
            Self::Skipped(_) => "skipped",
            Self::Dropped(_) => "dropped",
        }
    }

    fn reason(self) -> &'static str {
        match self {
            Self::Recorded | Self::SampledOut => "",
            Self::Skipped(reason) => match reason {
                SkipReason::Marked => "marked",
                SkipReason::Paused => "paused",
                SkipReason::Refused => "refused",
            },
            Self::Dropped(reason) => match reason {
                DropReason::Memory => "memory",
                DropReason::MemoryShare => "memory_share",
                DropReason::QueueFull => "queue_full",
                DropReason::StoreFull => "store_full",
                DropReason::StoreTimeout => "store_timeout",
                DropReason::StoreRejected => "store_rejected",
                DropReason::TooLarge => "too_large",
                DropReason::SpoolFull => "spool_full",
                DropReason::Drain => "drain",
                DropReason::Abandoned => "abandoned",
            },
        }
    }
}

/// How an exchange ended in the replayer's ledger, for one target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayOutcome {
    /// The target answered, whatever the status.
    Answered,
    /// It was due, and no whole answer came.
    Failed(SendFailure),
    /// Sampling left it out.
    SampledOut,
    /// It was not to be sent.
    Skipped(ReplaySkip),
    /// It was to be sent and was not.
    Dropped(ReplayDrop),
}

/// Why a shadow request got no whole answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendFailure {
    /// No connection could be made.
    Connect,
    /// The TLS handshake did not succeed.
    Tls,
    /// No answer began within `--response-timeout`.
    ResponseTimeout,
    /// No whole answer within `--timeout`.
    Timeout,
    /// The connection broke after the request had begun.
    Broken,
    /// The target sent what is no HTTP.
    Protocol,
    /// It was not sent: the target had failed so often that it was only probed.
    BreakerOpen,
}

/// Why an exchange is not sent by rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplaySkip {
    /// The stored bytes do not decode.
    Undecodable,
    /// It arrived outside of the window: read because of the slack around it.
    OutsideWindow,
    /// A filter left it out.
    Filtered,
    /// It is older than `--max-lag`.
    TooOld,
    /// Its body was longer than what was recorded: half a request is no request.
    Truncated,
    /// It cannot be sent again: an upgrade's handshake, a method or a target no client can send.
    Unsendable,
    /// Another shard sends it.
    OtherShard,
    /// Another of the targets that share the traffic gets it.
    OtherTarget,
    /// It was behind its schedule by more than `--behind drop` allows.
    Behind,
    /// Its partition was given to another replica while it waited for its turn.
    Reassigned,
    /// An earlier run of the job has dealt with it.
    DoneBefore,
    /// An earlier run of the job may have sent it, and it is to be sent at most once.
    InDoubt,
    /// It was due after the time that `--loop for=` gave.
    AfterEnd,
}

/// Why an exchange that was to be sent was not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayDrop {
    /// The run was interrupted first.
    Interrupted,
    /// Its task ended without saying how: a defect.
    Abandoned,
}

impl Outcome for ReplayOutcome {
    const ALL: &'static [Self] = &[
        Self::Answered,
        Self::Failed(SendFailure::Connect),
        Self::Failed(SendFailure::Tls),
        Self::Failed(SendFailure::ResponseTimeout),
        Self::Failed(SendFailure::Timeout),
        Self::Failed(SendFailure::Broken),
        Self::Failed(SendFailure::Protocol),
        Self::Failed(SendFailure::BreakerOpen),
        Self::SampledOut,
        Self::Skipped(ReplaySkip::Undecodable),
        Self::Skipped(ReplaySkip::OutsideWindow),
        Self::Skipped(ReplaySkip::Filtered),
        Self::Skipped(ReplaySkip::TooOld),
        Self::Skipped(ReplaySkip::Truncated),
        Self::Skipped(ReplaySkip::Unsendable),
        Self::Skipped(ReplaySkip::OtherShard),
        Self::Skipped(ReplaySkip::OtherTarget),
        Self::Skipped(ReplaySkip::Behind),
        Self::Skipped(ReplaySkip::Reassigned),
        Self::Skipped(ReplaySkip::DoneBefore),
        Self::Skipped(ReplaySkip::InDoubt),
        Self::Skipped(ReplaySkip::AfterEnd),
        Self::Dropped(ReplayDrop::Interrupted),
        Self::Dropped(ReplayDrop::Abandoned),
    ];
    const ABANDONED: Self = Self::Dropped(ReplayDrop::Abandoned);

    fn state(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Failed(_) => "failed",
            Self::SampledOut => "sampled_out",
            Self::Skipped(_) => "skipped",
            Self::Dropped(_) => "dropped",
        }
    }

    fn reason(self) -> &'static str {
        match self {
            Self::Answered | Self::SampledOut => "",
            Self::Failed(kind) => match kind {
                SendFailure::Connect => "connect",
                SendFailure::Tls => "tls",
                SendFailure::ResponseTimeout => "response_timeout",
                SendFailure::Timeout => "timeout",
                SendFailure::Broken => "broken",
                SendFailure::Protocol => "protocol",
                SendFailure::BreakerOpen => "breaker_open",
            },
            Self::Skipped(reason) => match reason {
                ReplaySkip::Undecodable => "undecodable",
                ReplaySkip::OutsideWindow => "outside_window",
                ReplaySkip::Filtered => "filtered",
                ReplaySkip::TooOld => "too_old",
                ReplaySkip::Truncated => "truncated",
                ReplaySkip::Unsendable => "unsendable",
                ReplaySkip::OtherShard => "other_shard",
                ReplaySkip::OtherTarget => "other_target",
                ReplaySkip::Behind => "behind",
                ReplaySkip::Reassigned => "reassigned",
                ReplaySkip::DoneBefore => "done_before",
                ReplaySkip::InDoubt => "in_doubt",
                ReplaySkip::AfterEnd => "after_end",
            },
            Self::Dropped(reason) => match reason {
                ReplayDrop::Interrupted => "interrupted",
                ReplayDrop::Abandoned => "abandoned",
            },
        }
    }
}
