//! What `deploy/` ships does what it says.

mod proxies;
