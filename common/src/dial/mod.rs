//! How both programs reach an address: its name, the connection, TLS. No HTTP.
//!
//! [`Resolver`] turns a name into addresses, [`Dialer`] into a [`Connection`] to one of them, over TLS where it is given a
//! [`TlsClient`]. All of it works on a current-thread runtime and is `Send` where a runtime has several.

mod connect;
mod error;
mod identity;
mod order;
mod pem;
mod pinned;
mod resolve;
mod stream;
mod tls;

pub use connect::{Connection, Dialer};
pub use error::DialError;
pub use identity::{Identity, IdentityError};
pub use pem::PemError;
pub use pinned::{Pinned, PinnedParseError};
pub use resolve::{ResolveError, Resolver};
pub use stream::Stream;
pub use tls::{TlsClient, TlsError, TlsSettings, crypto};
