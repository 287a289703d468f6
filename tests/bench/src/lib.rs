//! Measures the recorder and the replayer beside their peers, in one run.
//!
//! [`recorder`] is one command: an [`upstream`] is started, then every [`contender`] in front of it, each a [`running`]
//! process; [`rounds`] [`load`] them in turn and read their [`usage`]; [`figures`] are medians and ratios, [`report`]
//! prints them; [`half_load`], by requests that are [`paced`] on processors that stay [`awake`], and [`idle`] measure what a full load does not show. [`soak`] watches the recorder's memory
//! under all kinds of traffic. [`replayer`] is the other: traffic on an exact grid is sent to a [`receiver`], in
//! rounds with a sender that does nothing else, and [`timing`] says how well each kept to its schedule. [`follow`] counts what a fleet sends together. [`faults`] breaks the
//! store under a steady load. [`listing`] looks at a long log. [`stop`] ends all of it early.

pub mod awake;
pub mod binary;
pub mod broker;
pub mod contender;
pub mod faults;
pub mod figures;
pub mod follow;
pub mod half_load;
pub mod idle;
pub mod listing;
pub mod load;
pub mod machine;
pub mod median;
pub mod memory;
pub mod paced;
pub mod receiver;
pub mod recorder;
pub mod replayer;
pub mod report;
pub mod rounds;
pub mod running;
pub mod soak;
pub mod stop;
pub mod timing;
pub mod upstream;
pub mod usage;
pub mod work;
