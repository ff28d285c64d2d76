//! Tickets: for readers of streams in a browser, which can send no header. Each counts once and not for long, so that one
//! in a log or a history is worth nothing.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use wagglebus_nats::api_tokens::{TokenDigest, digest};

use super::caller::Caller;

/// How long a ticket counts.
pub(in crate::http) const TICKET_LIVES: Duration = Duration::from_secs(30);
/// Most tickets that are out at one time.
const TICKETS_MAX: usize = 4_096;

/// The tickets that are out.
#[derive(Debug, Default)]
pub(super) struct Tickets(BTreeMap<TokenDigest, (Caller, Instant)>);

impl Tickets {
    /// A ticket for a caller; `None` while too many are out.
    pub(super) fn give(&mut self, caller: &Caller, now: Instant) -> Option<String> {
        self.0.retain(|_, (_, until)| *until > now);
        if self.0.len() >= TICKETS_MAX {
            return None;
        }
        let ticket = format!(
            "{}{}",
            uuid::Uuid::new_v4().simple(),
            uuid::Uuid::new_v4().simple()
        );
        let until = now + TICKET_LIVES;
        self.0.insert(digest(&ticket), (caller.clone(), until));
        Some(ticket)
    }

    /// Whom a ticket was given to. It is known by its digest, so that nothing is learned from how long a search takes.
    pub(super) fn take(&mut self, ticket: &str, now: Instant) -> Option<Caller> {
        let (caller, until) = self.0.remove(&digest(ticket))?;
        (until > now).then_some(caller)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wagglebus_nats::api_tokens::Role;

    #[test]
    fn a_ticket_counts_once_and_not_for_long() {
        let caller = Caller {
            name: "eyes".into(),
            role: Role::Viewer,
            digest: digest("t"),
        };
        let (mut tickets, now) = (Tickets::default(), Instant::now());
        let ticket = tickets.give(&caller, now).unwrap();
        assert_eq!(tickets.take("other", now), None);
        assert_eq!(tickets.take(&ticket, now), Some(caller.clone()));
        assert_eq!(tickets.take(&ticket, now), None);
        let late = tickets.give(&caller, now).unwrap();
        assert_eq!(tickets.take(&late, now + TICKET_LIVES), None);
        for _ in 0..TICKETS_MAX {
            assert!(tickets.give(&caller, now).is_some());
        }
        assert_eq!(tickets.give(&caller, now), None);
        assert!(tickets.give(&caller, now + TICKET_LIVES).is_some());
    }
}
