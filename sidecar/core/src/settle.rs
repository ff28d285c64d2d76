//! Settlements until the server confirmed them.

use std::collections::BTreeMap;

use wagglebus_schemas::Priority;

use crate::effect::Settlement;
use crate::record::Key;

/// Time before an unconfirmed settlement is tried again, in milliseconds.
const RETRY_MS: u64 = 1_000;
/// How often a settlement is tried. Beyond, the server's ack_wait brings the message back, and it is settled then.
const TRIES_MAX: u32 = 5;

/// What follows once a settlement ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Follow {
    /// Nothing.
    Nothing,
    /// An ack: the message is done with at the server too.
    Acked(Key),
    /// A NAK: a message comes again.
    Comes {
        /// In which lane; `None`: a receipt.
        lane: Option<Priority>,
        /// Its sequence, where it is known.
        stream_seq: Option<u64>,
    },
}

/// A settlement that the server has not confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pending {
    settlement: Settlement,
    follow: Follow,
    tries: u32,
    resent: bool,
    /// Its place in the order in which they began.
    order: u64,
    /// When to try again; `None` while an answer is awaited.
    due_ms: Option<u64>,
}

/// All settlements on their way, by reply subject: at most one each, the latest wins. Progress reports are not among
/// them: nobody waits for their confirmation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settlements {
    pending: BTreeMap<String, Pending>,
    begun: u64,
}

/// A settlement that will not be tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The settlement.
    pub settlement: Settlement,
    /// What follows from it.
    pub follow: Follow,
    /// The server confirmed it.
    pub confirmed: bool,
    /// It was sent more than once: its effect began later than it was asked for.
    pub resent: bool,
}

impl Settlements {
    /// A settlement to be sent now.
    pub fn begin(&mut self, ack: &str, settlement: Settlement, follow: Follow) {
        self.begun = self.begun.saturating_add(1);
        let pending = Pending {
            settlement,
            follow,
            tries: 1,
            resent: false,
            order: self.begun,
            due_ms: None,
        };
        self.pending.insert(ack.to_owned(), pending);
    }

    /// Whether a message is on its way back to the head of this lane. The server takes settlements and fetches from
    /// different queues: a fetch that is sent after the NAK, but before its confirmation, may get the message behind it.
    pub fn is_bringing_back(&self, lane: Priority) -> bool {
        self.pending.values().any(|pending| {
            pending.settlement == Settlement::Nak { delay_ms: 0 }
                && matches!(pending.follow, Follow::Comes { lane: to, .. } if to == Some(lane))
        })
    }

    /// The server answered, or did not. An answer to another settlement than the one that is on its way says nothing.
    pub fn end(&mut self, ack: &str, settlement: Settlement, confirmed: bool, now_ms: u64) -> Option<Ended> {
        let pending = self.pending.get_mut(ack)?;
        if pending.settlement != settlement {
            return None;
        }
        if !confirmed && pending.tries < TRIES_MAX {
            pending.due_ms = Some(now_ms.saturating_add(RETRY_MS));
            return None;
        }
        let Pending {
            settlement,
            follow,
            resent,
            ..
        } = self.pending.remove(ack)?;
        Some(Ended {
            settlement,
            follow,
            confirmed,
            resent,
        })
    }

    /// A message came again: what asked for that has had its effect, and must not be repeated on its new hand-over.
    pub fn came(&mut self, of: Option<Priority>, seq: u64) {
        self.pending.retain(|_, pending| {
            !matches!(&pending.follow, Follow::Comes { lane, stream_seq } if *lane == of && *stream_seq == Some(seq))
        });
    }

    /// The settlements that are due, marked as sent, in the order in which they began: messages that go back to the head
    /// of their lane come again in the order in which they went.
    pub fn due(&mut self, now_ms: u64) -> Vec<(String, Settlement)> {
        let mut due = Vec::new();
        for (ack, pending) in &mut self.pending {
            if pending.due_ms.is_some_and(|at| at <= now_ms) {
                pending.due_ms = None;
                pending.resent = true;
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

    const NAK: Settlement = Settlement::Nak { delay_ms: 0 };

    #[test]
    fn an_unconfirmed_settlement_is_tried_again_and_then_left_to_the_server() {
        let mut settlements = Settlements::default();
        settlements.begin("a", Settlement::Ack, Follow::Nothing);
        for round in 1..TRIES_MAX {
            let now = u64::from(round) * 10_000;
            assert_eq!(settlements.end("a", Settlement::Ack, false, now), None);
            assert_eq!(settlements.next_due(), Some(now + RETRY_MS));
            assert_eq!(
                settlements.due(now + RETRY_MS),
                [("a".to_owned(), Settlement::Ack)]
            );
        }
        let ended = settlements.end("a", Settlement::Ack, false, 0).unwrap();
        assert!(!ended.confirmed && settlements.is_empty());
    }

    #[test]
    fn after_a_reconnect_they_leave_in_the_order_in_which_they_began() {
        let mut settlements = Settlements::default();
        let follow = Follow::Comes {
            lane: Some(Priority::Low),
            stream_seq: None,
        };
        for ack in ["10", "9", "11"] {
            settlements.begin(ack, NAK, follow.clone());
        }
        settlements.reconnected(5);
        let acks: Vec<String> = settlements.due(5).into_iter().map(|(ack, _)| ack).collect();
        assert_eq!(acks, ["10", "9", "11"]);
        for ack in acks {
            assert!(settlements.is_bringing_back(Priority::Low));
            settlements.end(&ack, NAK, true, 6);
        }
        assert!(!settlements.is_bringing_back(Priority::Low));
    }

    #[test]
    fn a_confirmation_counts_once() {
        let mut settlements = Settlements::default();
        settlements.begin("a", NAK, Follow::Nothing);
        assert!(settlements.end("a", NAK, true, 0).is_some());
        assert!(settlements.end("a", NAK, true, 0).is_none());
    }

    #[test]
    fn a_confirmed_progress_report_is_no_confirmed_ack() {
        let mut settlements = Settlements::default();
        settlements.begin("a", Settlement::Ack, Follow::Nothing);
        assert_eq!(settlements.end("a", Settlement::Progress, true, 0), None);
        assert_eq!(settlements.len(), 1);
    }

    #[test]
    fn a_nak_is_not_repeated_once_its_message_has_come_again() {
        let mut settlements = Settlements::default();
        let comes = |lane| Follow::Comes {
            lane,
            stream_seq: Some(7),
        };
        settlements.begin("a", NAK, comes(Some(Priority::Low)));
        settlements.begin("b", NAK, comes(None));
        settlements.came(Some(Priority::Low), 7);
        settlements.reconnected(5);
        assert_eq!(settlements.due(5), [("b".to_owned(), NAK)]);
    }
}
