//! Settlements until the server confirmed them.

use std::collections::BTreeMap;

use wagglebus_schemas::Priority;

use crate::effect::Settlement;
use crate::record::Key;

/// Time before an unconfirmed settlement is tried again, in milliseconds.
const RETRY_MS: u64 = 1_000;
/// How often a settlement is tried. Beyond, the server's ack_wait brings the message back, and it is settled then.
const TRIES_MAX: u32 = 5;

/// A settlement that the server has not confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pending {
    settlement: Settlement,
    /// The message to be marked as acked when this is confirmed.
    key: Option<Key>,
    /// The lane at whose head the message must be again before the next one is fetched.
    returns_to: Option<Priority>,
    tries: u32,
    /// Its place in the order in which they began.
    order: u64,
    /// When to try again; `None` while an answer is awaited.
    due_ms: Option<u64>,
}

/// All settlements on their way, by reply subject: at most one each, the latest wins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settlements {
    pending: BTreeMap<String, Pending>,
    begun: u64,
}

/// What came of a confirmation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmed {
    /// What was confirmed.
    pub settlement: Settlement,
    /// The message that is now acked.
    pub key: Option<Key>,
}

impl Settlements {
    /// A settlement to be sent now.
    pub fn begin(&mut self, ack: &str, settlement: Settlement, key: Option<Key>) {
        self.insert(ack, settlement, key, None);
    }

    /// A message to be brought back to the head of its lane now.
    pub fn bring_back(&mut self, ack: &str, lane: Priority) {
        self.insert(ack, Settlement::Nak { delay_ms: 0 }, None, Some(lane));
    }

    /// Whether a message is on its way back to the head of this lane. The server takes settlements and fetches from
    /// different queues: a fetch that is sent after the NAK, but before its confirmation, may get the message behind it.
    pub fn is_bringing_back(&self, lane: Priority) -> bool {
        self.pending
            .values()
            .any(|pending| pending.returns_to == Some(lane))
    }

    fn insert(
        &mut self,
        ack: &str,
        settlement: Settlement,
        key: Option<Key>,
        returns_to: Option<Priority>,
    ) {
        self.begun = self.begun.saturating_add(1);
        let pending = Pending {
            settlement,
            key,
            returns_to,
            tries: 1,
            order: self.begun,
            due_ms: None,
        };
        self.pending.insert(ack.to_owned(), pending);
    }

    /// The server answered, or did not.
    pub fn end(&mut self, ack: &str, confirmed: bool, now_ms: u64) -> Option<Confirmed> {
        let pending = self.pending.get_mut(ack)?;
        if !confirmed && pending.tries < TRIES_MAX {
            pending.due_ms = Some(now_ms.saturating_add(RETRY_MS));
            return None;
        }
        let pending = self.pending.remove(ack)?;
        confirmed.then_some(Confirmed {
            settlement: pending.settlement,
            key: pending.key,
        })
    }

    /// The settlements that are due, marked as sent, in the order in which they began: messages that go back to the head
    /// of their lane come again in the order in which they went.
    pub fn due(&mut self, now_ms: u64) -> Vec<(String, Settlement)> {
        let mut due = Vec::new();
        for (ack, pending) in &mut self.pending {
            if pending.due_ms.is_some_and(|at| at <= now_ms) {
                pending.due_ms = None;
                pending.tries = pending.tries.saturating_add(1);
                due.push((pending.order, ack.clone(), pending.settlement));
            }
        }
        due.sort_unstable_by_key(|(order, ..)| *order);
        due.into_iter()
            .map(|(_, ack, settlement)| (ack, settlement))
            .collect()
    }

    /// When the next one is due.
    pub fn next_due(&self) -> Option<u64> {
        self.pending.values().filter_map(|pending| pending.due_ms).min()
    }

    /// The connection is back: whatever is unconfirmed is due, with its tries given back.
    pub fn reconnected(&mut self, now_ms: u64) {
        for pending in self.pending.values_mut() {
            pending.due_ms = Some(now_ms);
            pending.tries = 0;
        }
    }

    /// How many are unconfirmed.
    pub fn len(&self) -> usize {
        self.pending.len()
    }

    /// Whether all are confirmed.
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unconfirmed_settlement_is_tried_again_and_then_left_to_the_server() {
        let mut settlements = Settlements::default();
        settlements.begin("a", Settlement::Ack, None);
        for round in 1..TRIES_MAX {
            let now = u64::from(round) * 10_000;
            assert_eq!(settlements.end("a", false, now), None);
            assert_eq!(settlements.next_due(), Some(now + RETRY_MS));
            assert_eq!(
                settlements.due(now + RETRY_MS),
                [("a".to_owned(), Settlement::Ack)]
            );
        }
        assert_eq!(settlements.end("a", false, 0), None);
        assert!(settlements.is_empty());
    }

    #[test]
    fn after_a_reconnect_they_leave_in_the_order_in_which_they_began() {
        let mut settlements = Settlements::default();
        for ack in ["10", "9", "11"] {
            settlements.bring_back(ack, Priority::Low);
        }
        settlements.reconnected(5);
        let acks: Vec<String> = settlements.due(5).into_iter().map(|(ack, _)| ack).collect();
        assert_eq!(acks, ["10", "9", "11"]);
        for ack in acks {
            assert!(settlements.is_bringing_back(Priority::Low));
            settlements.end(&ack, true, 6);
        }
        assert!(!settlements.is_bringing_back(Priority::Low));
    }

    #[test]
    fn a_confirmation_counts_once() {
        let mut settlements = Settlements::default();
        settlements.begin("a", Settlement::Nak { delay_ms: 0 }, None);
        assert!(settlements.end("a", true, 0).is_some());
        assert!(settlements.end("a", true, 0).is_none());
    }
}
