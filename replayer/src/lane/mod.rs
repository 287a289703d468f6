//! Lanes: one for each target, from the store to the wire, sharing nothing but the start.

mod admit;
mod budget;
mod claims;
mod conduct;
mod outlet;
mod rounds;
mod survey;
mod tail;
mod threads;
mod tracker;
mod waiting;
mod window;

pub(crate) use admit::{Admit, Candidate, History};
pub(crate) use budget::{Budget, Charge};
pub(crate) use claims::{Claims, Expected};
pub(crate) use conduct::conduct;
pub(crate) use outlet::Outlet;
pub(crate) use rounds::Rounds;
pub(crate) use survey::survey;
pub(crate) use tail::TailFeed;
pub(crate) use threads::{Feed, Lane, Purpose};

pub(crate) use window::{LaneJob, WindowFeed};
