//! Where shadow requests go: the target, what is changed for it, the connections to it.

mod body;
mod connect;
mod edit;
mod guard;
mod host;
mod name;
mod protocol;
mod send;
mod sender;
mod shadow;
mod url;

pub use body::RecordedBody;
pub use edit::{EditParseError, RemoveHeader, RewritePath, SetHeader};
pub use guard::Guard;
pub use host::{HostPolicy, HostPolicyParseError};
pub use name::{Target, TargetParseError};
pub use protocol::{Protocol, ProtocolParseError, ProtocolPolicy};
pub use sender::{Manner, Patience, Sender, Shot};
pub use shadow::{MARKER, Preparer, ShadowRequest, Unsendable};
pub use url::{TargetScheme, TargetUrl, TargetUrlError};
