//! Lanes: one for each target, from the store to the wire, sharing nothing but the start.

mod admit;
mod budget;
mod conduct;
mod outlet;
mod tail;
mod threads;
mod tracker;
mod waiting;
mod window;

pub(crate) use admit::{Admit, Candidate};
pub(crate) use budget::{Budget, Charge};
pub(crate) use conduct::conduct;
pub(crate) use outlet::Outlet;
pub(crate) use tail::TailFeed;
pub(crate) use threads::{Feed, Lane, Purpose};

pub(crate) use window::WindowFeed;
