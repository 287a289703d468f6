//! The writing side: hands messages to librdkafka, whose threads do the rest, and hears what became of them.
//!
//! The thread that appends also takes the delivery reports: the memory of a record is given back where it was taken, and
//! no thread of its own wakes for them. (The library's own, `ThreadedProducer`, spins through the last millisecond of each
//! of its waits: nearly one hundredth of a processor on an idle recorder.)

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, PurgeConfig};

use super::deliveries::Deliveries;
use super::late::{Marker, Unmarked};
use super::parts::{ID, PART, VERSION, header, part_size};
use super::settings::{Role, Settings, refused};
use super::ticket::Ticket;
use super::topic::TopicMaker;
use crate::codec::{CURRENT_VERSION, MAX_RECORD};
use crate::store::{Append, KafkaUrl, Loss, Receipt, Record, StoreError, StoreHealth, StoreState, TEND_EVERY};

/// After a purge every message is reported; its threads need a moment for that.
const PURGE: Duration = Duration::from_secs(5);

/// While nothing is confirmed, brokers that answer are asked for the topic this often.
const ASK_EVERY: Duration = Duration::from_secs(2);

/// While messages are under way, their reports are looked for this often.
const HEAR_EVERY: Duration = Duration::from_millis(20);

/// A message gains nothing from others before it: so few spread what is done once for all of them.
const TOGETHER: usize = 16;

/// Appends to one topic.
pub(in crate::store) struct Appender<R: Receipt> {
    url: KafkaUrl,
    settings: Settings,
    health: Arc<StoreHealth>,
    producer: BaseProducer<Deliveries<R>>,
    maker: TopicMaker,
    in_doubt: Arc<AtomicBool>,
    unmarked: Arc<Unmarked<R>>,
    /// Absent until something is late.
    marker: Option<Marker>,
    /// When the brokers were last asked for the topic.
    asked: Instant,
    version: String,
}

impl<R: Receipt> Appender<R> {
    pub(in crate::store) fn open(
        url: &KafkaUrl,
        properties: &BTreeMap<String, String>,
        health: Arc<StoreHealth>,
    ) -> Result<Self, StoreError> {
        let settings = Settings::new(url, properties)?;
        let in_doubt = Arc::new(AtomicBool::new(false));
        let unmarked = Unmarked::new();
        let deliveries = Deliveries::new(Arc::clone(&health), Arc::clone(&in_doubt), Arc::clone(&unmarked));
        let config = settings.config(Role::Write);
        Ok(Self {
            producer: BaseProducer::from_config_and_context(&config, deliveries).map_err(refused)?,
            maker: TopicMaker::start(url, &settings, Arc::clone(&health))?,
            url: url.clone(),
            settings,
            health,
            in_doubt,
            unmarked,
            marker: None,
            asked: Instant::now(),
            version: CURRENT_VERSION.to_string(),
        })
    }

    fn send(&self, record: Record<R>, late: bool) {
        let id = record.id.to_hex();
        let limit = self.settings.message_limit();
        let key = (!record.key.is_empty()).then_some(&record.key[..]);
        let size = part_size(limit, key.unwrap_or(&id).len());
        let mut message = Message { id: &id, key, millis: record.arrival.as_millis() };
        if record.value.len() <= size || record.value.len() > MAX_RECORD {
            return self.hand_over(&message, &record.value, None, Ticket::whole(record.receipt, late));
        }
        // What has no key goes to another partition every moment.
        message.key = Some(key.unwrap_or(&id));
        let of = record.value.len().div_ceil(size);
        let tickets = Ticket::parts(record.receipt, of, late);
        for (number, (value, ticket)) in record.value.chunks(size).zip(tickets).enumerate() {
            self.hand_over(&message, value, Some(&header(number + 1, of)), ticket);
        }
    }

    fn hand_over(&self, message: &Message<'_>, value: &[u8], part: Option<&str>, ticket: Ticket<R>) {
        let mut headers = OwnedHeaders::new_with_capacity(2 + usize::from(part.is_some()))
            .insert(Header { key: ID, value: Some(message.id) })
            .insert(Header { key: VERSION, value: Some(&self.version) });
        if let Some(part) = part {
            headers = headers.insert(Header { key: PART, value: Some(part) });
        }
        let mut record = BaseRecord::with_opaque_to(&self.url.topic, Box::new(ticket))
            .payload(value)
            .timestamp(message.millis)
            .headers(headers);
        record.key = message.key;
        self.deliveries().taken();
        if let Err((error, record)) = self.producer.send(record) {
            self.deliveries().lost(*record.delivery_opaque, &error);
        }
    }

    fn deliveries(&self) -> &Deliveries<R> {
        self.producer.client().context()
    }

    /// Takes the reports that are there, and what else librdkafka has to say. Never waits.
    fn hear(&self) {
        loop {
            let before = self.deliveries().pending();
            // One event, which may be the report of many messages.
            self.producer.poll(Duration::ZERO);
            if self.deliveries().pending() == before {
                return;
            }
        }
    }
}

/// What all messages of a record have.
struct Message<'a> {
    id: &'a [u8],
    key: Option<&'a [u8]>,
    millis: i64,
}

impl<R: Receipt> Append<R> for Appender<R> {
    fn append(&mut self, batch: &mut Vec<Record<R>>) {
        batch.drain(..).for_each(|record| self.send(record, false));
        self.hear();
    }

    fn together(&self) -> usize {
        TOGETHER
    }

    fn append_late(&mut self, batch: &mut Vec<Record<R>>) {
        if self.marker.is_none() {
            match Marker::start(&self.settings, &self.url.topic, Arc::clone(&self.unmarked)) {
                Ok(marker) => self.marker = Some(marker),
                Err(error) => {
                    tracing::warn!(%error, "late records cannot be marked; trying again");
                    return batch.drain(..).for_each(|record| record.receipt.lost(Loss::Rejected));
                }
            }
        }
        batch.drain(..).for_each(|record| self.send(record, true));
        self.hear();
    }

    fn tend(&mut self) {
        self.hear();
        if !self.maker.is_finished() {
            return;
        }
        // Somebody may have deleted the topic while it was written to: librdkafka says so late, or as a timeout.
        let in_doubt = self.in_doubt.swap(false, Ordering::Relaxed);
        // Without traffic no write shows that an outage is over.
        let down = self.health.get().0 == StoreState::Down && self.asked.elapsed() >= ASK_EVERY;
        if in_doubt || down {
            self.asked = Instant::now();
            match TopicMaker::start(&self.url, &self.settings, Arc::clone(&self.health)) {
                Ok(maker) => self.maker = maker,
                Err(error) => self.health.down(error.to_string()),
            }
        }
    }

    fn tend_every(&self) -> Duration {
        if self.deliveries().pending() > 0 { HEAR_EVERY } else { TEND_EVERY }
    }

    fn close(self: Box<Self>, deadline: Duration) {
        // What this leaves behind is what was not confirmed; its result says no more than the count below.
        let _ = self.producer.flush(deadline);
        if self.producer.in_flight_count() > 0 {
            self.producer.purge(PurgeConfig::default().queue().inflight());
        }
        let until = Instant::now() + PURGE;
        while self.producer.in_flight_count() > 0 && Instant::now() < until {
            self.producer.poll(Duration::from_millis(5));
        }
        let left = self.producer.in_flight_count();
        if left > 0 {
            tracing::error!(left, "kafka's client did not report what became of some records");
        }
        if let Some(marker) = self.marker {
            marker.finish();
        }
    }
}
