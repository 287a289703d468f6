//! The rules, and what one exchange has for them.

use std::sync::Arc;

use umbra_common::exchange::Exchange;

use super::{Answered, Carried, Place, Source, Wanted};
use crate::read::Condition;

/// Takes a value from answers and puts it into later requests of the session.
#[derive(Clone, Debug)]
pub struct CarryRule {
    /// Names the rule in the report.
    pub name: String,
    /// Where the value is taken from.
    pub from: Source,
    /// Where it is put, if the request has anything there; where there are no places, wherever production's value stands.
    pub to: Vec<Place>,
    /// Only answers to requests for which this holds.
    pub condition: Option<Condition>,
}

/// Every rule, in order.
#[derive(Clone, Debug, Default)]
pub struct CarryRules(Arc<[CarryRule]>);

impl CarryRules {
    /// In the order in which they are applied.
    pub fn new(rules: Vec<CarryRule>) -> Self {
        Self(rules.into())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// In the order in which they are applied.
    pub fn rules(&self) -> &[CarryRule] {
        &self.0
    }

    /// Whether a rule needs the body of responses.
    pub fn needs_bodies(&self) -> bool {
        self.0.iter().any(|rule| matches!(rule.from, Source::Json(_) | Source::Regex(_)))
    }

    /// What each rule wants of the answer to an exchange's request.
    pub fn wanted(&self, exchange: &Exchange) -> Carried {
        let wanted = self.0.iter().map(|rule| {
            let wants = rule.condition.as_ref().is_none_or(|condition| condition.holds(exchange));
            wants.then(|| {
                let recorded = exchange.response.as_ref().and_then(|r| Answered::Recorded(r).value(&rule.from));
                Wanted { recorded }
            })
        });
        Carried { wanted: wanted.collect() }
    }
}
