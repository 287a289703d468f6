//! Where shadow requests go: the target, what is changed for it, the connections to it.

mod body;
mod breaker;
mod connect;
mod footprint;
mod guard;
mod host;
mod name;
mod protocol;
mod reach;
mod send;
mod sender;
mod sessions;
mod settings;
mod shadow;
mod split;
mod streams;
mod url;

pub use body::RecordedBody;
pub use breaker::{BreakAfter, BreakAfterParseError, Breaker, Broken, Pass, Refused};
pub use guard::Guard;
pub use host::{HostPolicy, HostPolicyParseError};
pub use name::{Target, TargetParseError};
pub use protocol::{Protocol, ProtocolParseError, ProtocolPolicy};
pub use reach::{DEFAULT_CONNECT_TIMEOUT, Reach};
pub use sender::{Manner, Patience, Sender, Shot, Telling};
pub use sessions::{Order, OrderParseError};
pub(crate) use shadow::origin_form;
pub use shadow::{Preparer, ShadowRequest, Unsendable};
pub use split::{Portion, Weight, WeightParseError};
pub use url::{TargetScheme, TargetUrl, TargetUrlError};
