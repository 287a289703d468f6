//! Exchanges of one session, one after the other: the next leaves when the answer to the one before has been read. Other
//! sessions, and exchanges without one, do not wait for it.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use crate::text::serde_as_text;

/// What is kept in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Nothing: each exchange leaves when it is due.
    #[default]
    Free,
    /// The exchanges of one session.
    Session,
}

/// A text that is no order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no order: give free or session")]
pub struct OrderParseError(String);

impl FromStr for Order {
    type Err = OrderParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "free" => Ok(Self::Free),
            "session" => Ok(Self::Session),
            _ => Err(OrderParseError(text.to_owned())),
        }
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Free => "free",
            Self::Session => "session",
        })
    }
}

serde_as_text!(Order);

/// The sessions with a request under way, and what waits for its turn in each. What waits is part of the lane's memory
/// budget, which bounds it.
#[derive(Debug)]
pub(super) struct Sessions<T> {
    under_way: Mutex<HashMap<Bytes, VecDeque<T>>>,
}

impl<T> Sessions<T> {
    pub(super) fn new() -> Self {
        Self { under_way: Mutex::default() }
    }

    /// Whether one of the session is under way.
    pub(super) fn is_busy(&self, session: &Bytes) -> bool {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).contains_key(session)
    }

    /// Gives the item back where no other of its session is under way; keeps it until then otherwise.
    pub(super) fn enter(&self, session: Option<&Bytes>, item: T) -> Option<T> {
        let Some(session) = session else { return Some(item) };
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        match under_way.get_mut(session) {
            Some(waiting) => {
                waiting.push_back(item);
                None
            }
            None => {
                under_way.insert(session.clone(), VecDeque::new());
                Some(item)
            }
        }
    }

    /// The session's next item, now that the one before has ended.
    pub(super) fn next(&self, session: &Bytes) -> Option<T> {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let next = under_way.get_mut(session)?.pop_front();
        if next.is_none() {
            under_way.remove(session);
        }
        next
    }

    /// Lets go of everything that waits.
    pub(super) fn clear(&self) {
        let waiting: Vec<_> = {
            let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
            under_way.values_mut().map(std::mem::take).collect()
        };
        drop(waiting);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_a_session_is_under_way_and_the_others_wait_in_order() {
        let sessions = Sessions::new();
        let (ann, bob) = (Bytes::from_static(b"ann"), Bytes::from_static(b"bob"));
        assert_eq!(sessions.enter(Some(&ann), 1), Some(1));
        assert_eq!(sessions.enter(Some(&ann), 2), None);
        assert_eq!(sessions.enter(Some(&ann), 3), None);
        assert_eq!(sessions.enter(Some(&bob), 4), Some(4));
        assert_eq!((sessions.enter(None, 5), sessions.enter(None, 6)), (Some(5), Some(6)));
        assert_eq!((sessions.next(&ann), sessions.next(&ann), sessions.next(&ann)), (Some(2), Some(3), None));
        assert_eq!(sessions.enter(Some(&ann), 7), Some(7));
        assert_eq!(sessions.enter(Some(&ann), 8), None);
        sessions.clear();
        assert_eq!(sessions.next(&ann), None);
    }
}
