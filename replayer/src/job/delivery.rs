//! What becomes of requests of which a killed run left no word.

use std::fmt;
use std::str::FromStr;

use crate::text::serde_as_text;

/// A run that is killed leaves some requests in doubt: sent, or about to be, with no answer on record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// They are sent again: none is missing, some may come twice.
    #[default]
    AtLeastOnce,
    /// They are left out: none comes twice, some may be missing.
    AtMostOnce,
}

/// A text that is no delivery.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no delivery: use at-least-once or at-most-once")]
pub struct DeliveryParseError(String);

impl FromStr for Delivery {
    type Err = DeliveryParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "at-least-once" => Ok(Self::AtLeastOnce),
            "at-most-once" => Ok(Self::AtMostOnce),
            _ => Err(DeliveryParseError(text.to_owned())),
        }
    }
}

impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AtLeastOnce => "at-least-once",
            Self::AtMostOnce => "at-most-once",
        })
    }
}

serde_as_text!(Delivery);
