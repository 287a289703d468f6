//! Stub.
use super::*;
use crate::time::Window;
use std::sync::Arc;
use std::time::Duration;
pub struct Source;
pub(super) struct Appender<R>(std::marker::PhantomData<R>);
impl<R: Receipt> Appender<R> {
    pub(super) fn open(_: &KafkaUrl, _: &BTreeMap<String, String>, _: Arc<StoreHealth>) -> Result<Self, StoreError> {
        todo!()
    }
}
impl<R: Receipt> Append<R> for Appender<R> {
    fn append(&mut self, _: &mut Vec<Record<R>>) {}
    fn tend(&mut self) {}
    fn close(self: Box<Self>, _: Duration) {}
}
pub(super) struct Reader;
impl Read for Reader {
    fn next(&mut self, _: Duration) -> Result<Next, StoreError> {
        todo!()
    }
    fn hold(&mut self, _: i32, _: bool) -> Result<(), StoreError> {
        todo!()
    }
}
pub(super) struct Follower;
impl Follow for Follower {
    fn next(&mut self, _: Duration) -> Result<Next, StoreError> {
        todo!()
    }
    fn done(&mut self, _: Position) -> Result<(), StoreError> {
        todo!()
    }
    fn share(&self) -> Share {
        todo!()
    }
    fn close(self: Box<Self>) -> Result<(), StoreError> {
        todo!()
    }
}
impl Source {
    pub(super) fn open(_: &KafkaUrl, _: &BTreeMap<String, String>) -> Result<Self, StoreError> {
        todo!()
    }
    pub(super) fn plan(&self, _: Window) -> Result<Plan, StoreError> {
        todo!()
    }
    pub(super) fn read(&self, _: &Plan) -> Result<Reader, StoreError> {
        todo!()
    }
    pub(super) fn follow(&self, _: &str, _: Start) -> Result<Follower, StoreError> {
        todo!()
    }
}
