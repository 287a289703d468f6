//! Where shadow requests go: the target, what is changed for it, the connections to it.

mod edit;
mod host;
mod name;
mod protocol;
mod url;

pub use edit::{EditParseError, RemoveHeader, RewritePath, SetHeader};
pub use host::{HostPolicy, HostPolicyParseError};
pub use name::{Target, TargetParseError};
pub use protocol::{Protocol, ProtocolParseError, ProtocolPolicy};
pub use url::{TargetScheme, TargetUrl, TargetUrlError};
