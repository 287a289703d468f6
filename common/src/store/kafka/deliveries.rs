//! Delivery reports: where each record's receipt is consumed.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::ProducerContext;

use super::trouble::{self, Trouble};
use crate::store::{Loss, Receipt, StoreHealth, StoreState};

/// What travels with a message and comes back in its report. librdkafka's threads need `Sync`, which the mutex gives
/// to any receipt; nobody ever waits for it.
pub(super) type Ticket<R> = Box<Mutex<R>>;

/// The producer's context.
pub(super) struct Deliveries<R> {
    health: Arc<StoreHealth>,
    trouble: Trouble,
    /// Messages that were taken and not reported yet.
    pending: AtomicUsize,
    in_doubt: Arc<AtomicBool>,
    receipts: PhantomData<fn(R)>,
}

impl<R: Receipt> Deliveries<R> {
    /// `in_doubt` is set when a record is lost in a way in which it would be without a topic.
    pub(super) fn new(health: Arc<StoreHealth>, in_doubt: Arc<AtomicBool>) -> Self {
        Self { health, trouble: Trouble::default(), pending: AtomicUsize::new(0), in_doubt, receipts: PhantomData }
    }

    pub(super) fn ticket(&self, receipt: R) -> Ticket<R> {
        self.pending.fetch_add(1, Ordering::Relaxed);
        Box::new(Mutex::new(receipt))
    }

    /// Ends a record that was not confirmed.
    pub(super) fn lost(&self, ticket: Mutex<R>, error: &KafkaError) {
        let loss = loss(error);
        match loss {
            // The record's own fault, or ours: neither says anything about the store.
            Loss::TooLarge | Loss::Closed => {}
            Loss::Timeout => {
                let last = self.trouble.last().unwrap_or_else(|| "the brokers do not answer".into());
                self.health.down(format!("no broker confirmed a record in time: {last}"));
            }
            Loss::Full | Loss::Rejected => self.health.down(error.to_string()),
        }
        if matches!(loss, Loss::Timeout | Loss::Rejected) {
            self.in_doubt.store(true, Ordering::Relaxed);
        }
        self.take(ticket).lost(loss);
    }

    fn take(&self, ticket: Mutex<R>) -> R {
        self.pending.fetch_sub(1, Ordering::Relaxed);
        ticket.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

fn loss(error: &KafkaError) -> Loss {
    use RDKafkaErrorCode as Code;
    match error.rdkafka_error_code() {
        Some(Code::QueueFull) => Loss::Full,
        Some(Code::MessageTimedOut | Code::RequestTimedOut | Code::OperationTimedOut) => Loss::Timeout,
        Some(Code::MessageSizeTooLarge | Code::InvalidMessageSize) => Loss::TooLarge,
        Some(Code::PurgeQueue | Code::PurgeInflight) => Loss::Closed,
        _ => Loss::Rejected,
    }
}

impl<R: Receipt> ClientContext for Deliveries<R> {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        trouble::log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.trouble.note(&error, reason);
        let all_down = error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown);
        // Brokers close idle connections; without a record that waits, that is no outage.
        let waiting = self.pending.load(Ordering::Relaxed) > 0 || self.health.get().0 == StoreState::Unknown;
        if (all_down && waiting) || trouble::is_fatal(&error) {
            self.health.down(self.trouble.last().unwrap_or_else(|| reason.to_owned()));
        }
    }
}

impl<R: Receipt> ProducerContext for Deliveries<R> {
    type DeliveryOpaque = Ticket<R>;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: Ticket<R>) {
        match result {
            Ok(_) => {
                self.health.up();
                self.take(*ticket).stored();
            }
            Err((error, _)) => self.lost(*ticket, error),
        }
    }
}
