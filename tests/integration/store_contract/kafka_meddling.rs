//! What others do to a topic, by Kafka's own interface and past Umbra's.

use std::future::Future;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use umbra_common::codec;
use umbra_common::store::{KafkaUrl, StoreUrl};

use super::fresh::Fresh;
use super::samples::every_10_ms;

const LONGEST: Duration = Duration::from_secs(20);

fn url(store: &Fresh) -> &KafkaUrl {
    let StoreUrl::Kafka(url) = &store.config.url else { panic!("a kafka store") };
    url
}

fn client(store: &Fresh) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &url(store).brokers);
    config
}

fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

pub(super) fn delete_topic(store: &Fresh) {
    let admin: AdminClient<DefaultClientContext> = client(store).create().unwrap();
    run(admin.delete_topics(&[&url(store).topic], &AdminOptions::new())).unwrap().remove(0).unwrap();
}

/// As retention does.
pub(super) fn delete_records_before(store: &Fresh, offset: i64) {
    let admin: AdminClient<DefaultClientContext> = client(store).create().unwrap();
    let mut upto = TopicPartitionList::new();
    upto.add_partition_offset(&url(store).topic, 0, Offset::Offset(offset)).unwrap();
    run(admin.delete_records(&upto, &AdminOptions::new())).unwrap();
}

/// Appends so many records in one transaction.
pub(super) fn in_a_transaction(store: &Fresh, count: u64) {
    let topic = &url(store).topic;
    let producer: BaseProducer = client(store).set("transactional.id", topic).create().unwrap();
    producer.init_transactions(LONGEST).unwrap();
    producer.begin_transaction().unwrap();
    for exchange in every_10_ms(count) {
        let value = codec::encode(&exchange);
        let record = BaseRecord::<[u8], _>::to(topic).payload(&value).timestamp(exchange.arrival.as_millis());
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.commit_transaction(LONGEST).unwrap();
}
