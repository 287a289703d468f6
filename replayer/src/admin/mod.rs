//! The admin listener: whether the program lives, and its figures.

use std::net::SocketAddr;

use crate::error::RunError;
use crate::lane::Lane;

/// A listener, or none.
pub(crate) struct Admin;

impl Admin {
    /// Starts one where an address is given.
    pub(crate) fn start(_: Option<SocketAddr>) -> Result<Self, RunError> {
        Ok(Self)
    }

    /// Shows these lanes.
    pub(crate) fn watch(&self, _: &[Lane]) {}
}
