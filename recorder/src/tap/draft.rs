//! A record in the making.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderMap;
use http::response::Parts;
use umbra_common::exchange::{Ending, ExchangeId, Fields, Scheme};
use umbra_common::fraction::Fraction;
use umbra_common::ledger::{DropReason, Entry, RecordOutcome};
use umbra_common::time::Timestamp;

use super::budget::{NoRoom, Permit};
use super::copy::BodyCopy;
use super::head::{RequestHead, ResponseHead, fields};
use super::packed::{Packed, PackedResponse};
use super::sections;
use crate::config::Responses;

/// One exchange while it goes on. Its memory stays on its worker, in whose cache it is: what goes to another thread is [`Packed`].
///
/// It owns its entry in the ledger and its part of the budget, so that neither can be forgotten.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) entry: Entry<RecordOutcome>,
    pub(crate) permit: Permit,
    /// How much of it is kept.
    pub(crate) limits: Limits,
    pub(crate) id: ExchangeId,
    pub(crate) arrival: Timestamp,
    pub(crate) started: Instant,
    pub(crate) client: SocketAddr,
    pub(crate) scheme: Scheme,
    pub(crate) head: RequestHead,
    pub(crate) body: BodyCopy,
    /// Whether the end of the request has come.
    pub(crate) whole: bool,
    pub(crate) trailers: Fields,
    pub(crate) session: Bytes,
    pub(crate) sampled_at: Fraction,
    pub(crate) response: Option<ResponseDraft>,
    /// How it ended, and when; the first to know says so.
    pub(crate) ended: Option<(Ending, Duration)>,
}

/// What has come of the response.
#[derive(Debug)]
pub(crate) struct ResponseDraft {
    status: u16,
    head: ResponseHead,
    first_byte: Duration,
    body: BodyCopy,
    trailers: Fields,
}

/// What a draft and its receipt hold besides bytes that came from outside.
pub(crate) const DRAFT_BYTES: usize = size_of::<Draft>();

/// How much of what passes is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) body: usize,
    pub(crate) responses: Responses,
}

impl Draft {
    /// Begun by a client on this host, by HTTP/1 or HTTP/2, with the whole of its head and no body.
    #[cfg(test)]
    pub(crate) fn begun(
        entry: Entry<RecordOutcome>,
        permit: Permit,
        limits: Limits,
        head: RequestHead,
        started: Instant,
    ) -> Self {
        let arrival = Timestamp::now();
        Self {
            entry,
            permit,
            limits,
            id: umbra_common::exchange::IdSource::new().next(arrival),
            arrival,
            started,
            client: ([127, 0, 0, 1], 1).into(),
            scheme: Scheme::Http,
            head,
            body: BodyCopy::default(),
            whole: true,
            trailers: Fields::default(),
            session: Bytes::new(),
            sampled_at: Fraction::ALL,
            response: None,
            ended: None,
        }
    }

    pub(crate) fn request_data(&mut self, chunk: &[u8]) -> Result<(), NoRoom> {
        self.body.take(chunk, self.limits.body, &mut self.permit)
    }

    pub(crate) fn request_end(&mut self) {
        self.whole = true;
    }

    pub(crate) fn request_trailers(&mut self, trailers: &HeaderMap) -> Result<(), NoRoom> {
        self.trailers = fields(trailers);
        charge(&mut self.permit, self.trailers.byte_len())
    }

    pub(crate) fn response_head(&mut self, parts: &Parts, wire: &[u8], at: Instant) -> Result<(), NoRoom> {
        if self.limits.responses == Responses::Off {
            return Ok(());
        }
        let head = ResponseHead::new(&parts.headers, wire);
        let held = head.byte_len();
        self.response = Some(ResponseDraft {
            status: parts.status.as_u16(),
            head,
            first_byte: at.saturating_duration_since(self.started),
            body: BodyCopy::default(),
            trailers: Fields::default(),
        });
        charge(&mut self.permit, held)
    }

    pub(crate) fn response_data(&mut self, chunk: &[u8]) -> Result<(), NoRoom> {
        let Some(response) = &mut self.response else { return Ok(()) };
        let limit = if self.limits.responses == Responses::Full { self.limits.body } else { 0 };
        response.body.take(chunk, limit, &mut self.permit)
    }

    pub(crate) fn response_trailers(&mut self, trailers: &HeaderMap) -> Result<(), NoRoom> {
        let Some(response) = &mut self.response else { return Ok(()) };
        response.trailers = fields(trailers);
        charge(&mut self.permit, response.trailers.byte_len())
    }

    pub(crate) fn end(&mut self, ending: Ending) {
        if self.ended.is_none() {
            self.ended = Some((ending, self.started.elapsed()));
        }
    }

    /// Gives the record up while it is made.
    pub(super) fn drop_for(self, why: DropReason) {
        self.entry.end(RecordOutcome::Dropped(why));
    }

    /// Puts it behind what a batch holds. One that nobody ended was left by its client.
    pub(crate) fn pack(self: Box<Self>, to: &mut Vec<u8>) -> Packed {
        let (ending, total) = self.ended.unwrap_or_else(|| (Ending::ClientAborted, self.started.elapsed()));
        let at = to.len();
        let head = self.head.pack(to);
        let body = self.body.pack(to);
        sections::put_fields(to, &self.trailers);
        sections::put(to, &self.session);
        let response = self.response.map(|response| {
            let head = response.head.pack(to);
            sections::put_fields(to, &response.trailers);
            let body = response.body.pack(to);
            PackedResponse { status: response.status, head, first_byte: response.first_byte, body }
        });
        Packed {
            entry: self.entry,
            permit: self.permit,
            id: self.id,
            arrival: self.arrival,
            client: self.client,
            scheme: self.scheme,
            sampled_at: self.sampled_at,
            at,
            head,
            body,
            whole: self.whole,
            response,
            ending,
            total,
        }
    }
}

fn charge(permit: &mut Permit, bytes: usize) -> Result<(), NoRoom> {
    permit.grow(bytes as u64)
}
