//! A finished record on its way to the store's thread.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::Duration;

use umbra_common::exchange::{Ending, Exchange, ExchangeId, Response, Scheme};
use umbra_common::fraction::Fraction;
use umbra_common::ledger::{DropReason, Entry, RecordOutcome};
use umbra_common::time::Timestamp;

use super::budget::Permit;
use super::copy::PackedBody;
use super::head::{PackedHead, PackedResponseHead};
use super::sections::Sections;

/// What a record is, without the bytes of its sections: those lie in its batch, behind those of the one before.
///
/// A block for each of them would be allocated on one processor and freed on another, and come back cold.
#[derive(Debug)]
pub(crate) struct Packed {
    pub(super) entry: Entry<RecordOutcome>,
    pub(super) permit: Permit,
    pub(super) id: ExchangeId,
    pub(super) arrival: Timestamp,
    pub(super) client: SocketAddr,
    pub(super) scheme: Scheme,
    pub(super) sampled_at: Fraction,
    /// Where its sections begin: the head, a little body, the request's trailers, the session and, where there is a response,
    /// its head, its trailers and its little body.
    pub(super) at: usize,
    pub(super) head: PackedHead,
    pub(super) body: PackedBody,
    /// Whether the request came to its end.
    pub(super) whole: bool,
    pub(super) response: Option<PackedResponse>,
    pub(super) ending: Ending,
    pub(super) total: Duration,
}

/// An exchange that lies in its batch, but for what redaction has put in the place of something.
pub(crate) type Unpacked<'a> = Exchange<Cow<'a, [u8]>, &'a str>;

/// What a response is, without its sections.
#[derive(Debug)]
pub(super) struct PackedResponse {
    pub(super) status: u16,
    pub(super) head: PackedResponseHead,
    pub(super) first_byte: Duration,
    pub(super) body: PackedBody,
}

impl Packed {
    /// Gives the record up.
    pub(crate) fn drop_for(self, why: DropReason) {
        self.entry.end(RecordOutcome::Dropped(why));
    }

    /// The exchange with what its receipt needs. `bytes`: those of its batch.
    pub(crate) fn unpack<'a>(
        self,
        bytes: &'a [u8],
        upstream: &'a str,
        recorder: &'a str,
    ) -> (Unpacked<'a>, Entry<RecordOutcome>, Permit) {
        let mut sections = Sections::new(bytes, self.at);
        let request = self.head.unpack(&mut sections, self.scheme, self.body, self.whole);
        let session = sections.next().into();
        let exchange = Exchange {
            id: self.id,
            arrival: self.arrival,
            client: Some(self.client),
            request,
            session,
            sampled_at: self.sampled_at,
            upstream,
            recorder,
            ending: self.ending,
            total: self.total,
            response: self.response.map(|response| Response {
                status: response.status,
                headers: response.head.unpack(&mut sections),
                trailers: sections.fields(),
                body: response.body.unpack(&mut sections),
                first_byte: response.first_byte,
            }),
        };
        (exchange, self.entry, self.permit)
    }
}
