//! A job as it was asked for.

use std::collections::BTreeMap;

use super::{Delivery, JobName};

/// A named replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobConfig {
    /// Its name.
    pub name: JobName,
    /// Whether it goes on where it was, if it was.
    pub resume: bool,
    /// What becomes of requests in doubt.
    pub delivery: Delivery,
    /// Every setting that says what is sent, and how, as given: a job goes on only with the same.
    pub settings: BTreeMap<String, String>,
}
