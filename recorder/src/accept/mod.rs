//! Accepting: connections of one worker, in whichever protocol they come.

mod closing;
mod connection;
mod executor;
mod listener;
mod pace;
mod sniff;

pub(crate) use closing::Closing;
pub(crate) use executor::LocalExecutor;
pub(crate) use listener::{accept, accept_waiting, bind};
