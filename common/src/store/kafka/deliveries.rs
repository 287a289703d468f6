//! Delivery reports: where each record's receipt is consumed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::ProducerContext;

use super::late::Unmarked;
use super::ticket::Ticket;
use super::trouble::{self, Trouble};
use crate::store::{Loss, Receipt, StoreHealth, StoreState};

/// The producer's context.
pub(super) struct Deliveries<R> {
    health: Arc<StoreHealth>,
    trouble: Trouble,
    /// Messages that were taken and not reported yet. Written by the appender's thread alone, which also takes the reports.
    pending: AtomicUsize,
    in_doubt: Arc<AtomicBool>,
    unmarked: Arc<Unmarked<R>>,
}

impl<R: Receipt> Deliveries<R> {
    /// `in_doubt` is set when a record is lost in a way in which it would be without a topic.
    pub(super) fn new(health: Arc<StoreHealth>, in_doubt: Arc<AtomicBool>, unmarked: Arc<Unmarked<R>>) -> Self {
        Self { health, trouble: Trouble::default(), pending: AtomicUsize::new(0), in_doubt, unmarked }
    }

    /// A message is about to be handed over.
    pub(super) fn taken(&self) {
        self.pending.store(self.pending() + 1, Ordering::Relaxed);
    }

    /// A message has been reported.
    fn reported(&self) {
        self.pending.store(self.pending().saturating_sub(1), Ordering::Relaxed);
    }

    /// How many messages have not been reported yet.
    pub(super) fn pending(&self) -> usize {
        self.pending.load(Ordering::Relaxed)
    }

    /// Ends a message that was not confirmed.
    pub(super) fn lost(&self, ticket: Ticket<R>, error: &KafkaError) {
        let loss = loss(error);
        match loss {
            // We have given up ourselves.
            Loss::Closed => {}
            Loss::TooLarge => self.health.down(
                "a record is over kafka's limit of a message: raise max.message.bytes of the topic, or lower \
                 message.max.bytes and batch.size under [store.kafka] below it",
            ),
            Loss::Timeout => {
                let last = self.trouble.last().unwrap_or_else(|| "the brokers do not answer".into());
                self.health.away(format!("no broker confirmed a record in time: {last}"));
            }
            Loss::Full | Loss::Rejected | Loss::SpoolFull => self.health.down(error.to_string()),
        }
        if matches!(loss, Loss::Timeout | Loss::Rejected) {
            self.in_doubt.store(true, Ordering::Relaxed);
        }
        self.reported();
        ticket.lost(loss);
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
        let waiting = self.pending() > 0 || self.health.get().0 == StoreState::Unknown;
        let why = || self.trouble.last().unwrap_or_else(|| reason.to_owned());
        if trouble::is_unauthorized(&error) {
            self.health.down(why());
        } else if (all_down && waiting) || trouble::is_fatal(&error) {
            self.health.away(why());
        }
    }
}

impl<R: Receipt> ProducerContext for Deliveries<R> {
    type DeliveryOpaque = Box<Ticket<R>>;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: Box<Ticket<R>>) {
        match result {
            Ok(message) => {
                self.health.up();
                self.reported();
                if ticket.late {
                    let millis = message.timestamp().to_millis().unwrap_or(0);
                    self.unmarked.delivered(message.partition(), message.offset(), millis, *ticket);
                } else {
                    ticket.stored();
                }
            }
            Err((error, _)) => self.lost(*ticket, error),
        }
    }
}
