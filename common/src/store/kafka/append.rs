//! The writing side: hands messages to librdkafka, whose threads do the rest.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer, PurgeConfig, ThreadedProducer};

use super::deliveries::Deliveries;
use super::settings::{Role, Settings, refused};
use super::topic::TopicMaker;
use crate::codec::CURRENT_VERSION;
use crate::store::{Append, KafkaUrl, Receipt, Record, StoreError, StoreHealth};

/// After a purge every message is reported; its threads need a moment for that.
const PURGE: Duration = Duration::from_secs(5);

/// Appends to one topic.
pub(in crate::store) struct Appender<R: Receipt> {
    url: KafkaUrl,
    settings: Settings,
    health: Arc<StoreHealth>,
    producer: ThreadedProducer<Deliveries<R>>,
    maker: TopicMaker,
    in_doubt: Arc<AtomicBool>,
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
        let deliveries = Deliveries::new(Arc::clone(&health), Arc::clone(&in_doubt));
        let config = settings.config(Role::Write);
        Ok(Self {
            producer: ThreadedProducer::from_config_and_context(&config, deliveries).map_err(refused)?,
            maker: TopicMaker::start(url, &settings, Arc::clone(&health))?,
            url: url.clone(),
            settings,
            health,
            in_doubt,
            version: CURRENT_VERSION.to_string(),
        })
    }

    fn send(&self, record: Record<R>) {
        let deliveries = self.producer.client().context();
        let id = record.id.to_string();
        let headers = OwnedHeaders::new_with_capacity(2)
            .insert(Header { key: "umbra-id", value: Some(&id) })
            .insert(Header { key: "umbra-v", value: Some(&self.version) });
        let message = BaseRecord::with_opaque_to(&self.url.topic, deliveries.ticket(record.receipt))
            .key(&record.key)
            .payload(&record.value)
            .timestamp(record.arrival.as_millis())
            .headers(headers);
        if let Err((error, message)) = self.producer.send(message) {
            deliveries.lost(*message.delivery_opaque, &error);
        }
    }
}

impl<R: Receipt> Append<R> for Appender<R> {
    fn append(&mut self, batch: &mut Vec<Record<R>>) {
        batch.drain(..).for_each(|record| self.send(record));
    }

    fn tend(&mut self) {
        // Somebody may have deleted the topic while it was written to: librdkafka says so late, or as a timeout.
        if self.maker.is_finished() && self.in_doubt.swap(false, Ordering::Relaxed) {
            match TopicMaker::start(&self.url, &self.settings, Arc::clone(&self.health)) {
                Ok(maker) => self.maker = maker,
                Err(error) => self.health.down(error.to_string()),
            }
        }
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
    }
}
