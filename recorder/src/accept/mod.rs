//! Accepting: connections of one worker, in whichever protocol they come.

mod admission;
mod closing;
mod connection;
mod executor;
mod http1;
mod http2;
mod joined;
mod listener;
mod metered;
mod pace;
mod parting;
mod proxy_header;
mod sniff;
mod sockets;
mod successor;
mod tls;

pub(crate) use admission::Admission;
pub(crate) use closing::Closing;
pub(crate) use executor::LocalExecutor;
pub(crate) use listener::{accept, accept_waiting, bind};
pub(crate) use parting::Parting;
pub use sockets::Inherited;
pub(crate) use sockets::Sockets;
pub(crate) use successor::{HANDSHAKE, has_successor, take_no_more};
pub(crate) use tls::settings as tls_settings;
