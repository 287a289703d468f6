//! Makes the topic where it is missing, on a thread of its own: brokers may be away for hours, and appends go on.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::metadata::{Found, find};
use super::settings::{Role, Settings, refused};
use super::trouble::Plain;
use crate::store::{KafkaUrl, StoreError, StoreHealth};

/// Between two attempts.
const RETRY: Duration = Duration::from_secs(1);
/// For one question to the brokers.
const ANSWER: Duration = Duration::from_secs(3);
/// For a topic to be made on all of its brokers.
const MAKE: Duration = Duration::from_secs(15);
/// The broker's own default, for partitions and replicas.
const BROKER_DEFAULT: i32 = -1;

/// Ends when the topic is there, or when it is dropped.
pub(super) struct TopicMaker {
    /// Nothing is ever sent: dropping it is the message.
    _stop: Sender<Infallible>,
    thread: JoinHandle<()>,
}

impl TopicMaker {
    pub(super) fn start(url: &KafkaUrl, settings: &Settings, health: Arc<StoreHealth>) -> Result<Self, StoreError> {
        let admin = AdminClient::from_config_and_context(&settings.config(Role::Ask), Plain::default());
        let admin = admin.map_err(refused)?;
        let (stop, stopped) = bounded(0);
        let work = Work { admin, url: url.clone(), health, stopped };
        let thread = thread::Builder::new().name("umbra-topic".into()).spawn(move || work.run());
        let thread = thread.map_err(|e| StoreError::Property(format!("client cannot start a thread: {e}")))?;
        // Not joined: it may wait for a broker a little longer than its owner lives.
        Ok(Self { _stop: stop, thread })
    }

    pub(super) fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }
}

struct Work {
    admin: AdminClient<Plain>,
    url: KafkaUrl,
    health: Arc<StoreHealth>,
    stopped: Receiver<Infallible>,
}

impl Work {
    fn run(&self) {
        while !self.is_there() {
            if self.pause(RETRY) {
                return;
            }
        }
    }

    fn is_there(&self) -> bool {
        match find(self.admin.inner(), &self.url.topic, ANSWER) {
            Ok(Found::Partitions(_)) => {
                self.health.reachable();
                true
            }
            Ok(Found::Missing) => self.make(),
            Ok(Found::NotYet) => false,
            Err(error) => {
                tracing::debug!(%error, "kafka does not say whether the topic is there");
                false
            }
        }
    }

    fn make(&self) -> bool {
        let topic = &self.url.topic;
        let partitions = self.url.partitions.map_or(BROKER_DEFAULT, i32::from);
        let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(BROKER_DEFAULT));
        let options = AdminOptions::new().request_timeout(Some(MAKE)).operation_timeout(Some(MAKE));
        let made = match self.wait_for(self.admin.create_topics([&new], &options), MAKE) {
            None => return false,
            Some(Ok(results)) => results.into_iter().next().map_or(Ok(()), |r| r.map(drop).map_err(|(_, code)| code)),
            Some(Err(error)) => Err(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail)),
        };
        match made {
            Ok(()) => {
                tracing::info!(%topic, "made the kafka topic");
                true
            }
            Err(RDKafkaErrorCode::TopicAlreadyExists) => true,
            Err(code) => {
                let error = KafkaError::AdminOp(code);
                self.health.down(format!("the topic '{topic}' does not exist and cannot be made: {error}; make it"));
                false
            }
        }
    }

    /// `None` where it takes too long or nobody waits any more.
    fn wait_for<F: Future>(&self, future: F, longest: Duration) -> Option<F::Output> {
        let mut future = pin!(future);
        let until = Instant::now() + longest;
        loop {
            match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(output) => return Some(output),
                Poll::Pending if Instant::now() > until || self.pause(Duration::from_millis(20)) => return None,
                Poll::Pending => {}
            }
        }
    }

    /// True where the owner is gone.
    fn pause(&self, time: Duration) -> bool {
        self.stopped.recv_timeout(time) == Err(RecvTimeoutError::Disconnected)
    }
}
