//! Measures the recorder beside its peers, in one run.
//!
//! [`recorder`] is the command: an [`upstream`] is started, then every [`contender`] in front of it, each a [`running`]
//! process; [`rounds`] [`load`] them in turn and read their [`usage`]; [`figures`] are medians and ratios, [`report`]
//! prints them. [`stop`] ends all of it early.

pub mod binary;
pub mod broker;
pub mod contender;
pub mod figures;
pub mod load;
pub mod machine;
pub mod recorder;
pub mod report;
pub mod rounds;
pub mod running;
pub mod stop;
pub mod upstream;
pub mod usage;
