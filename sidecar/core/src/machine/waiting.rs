//! Senders that wait for a level of their message.

use std::collections::BTreeMap;

use wagglebus_schemas::api::{RECIPIENT_UNVERIFIED, SendAnswer};
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::{Id, Level};

use crate::context::Context;
use crate::effect::{Answer, Effect};
use crate::event::Token;
use crate::ledger::Ledger;

/// A sender that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Waiter {
    pub(super) token: Token,
    /// The level asked for; `None`: the first of stored and accepted.
    pub(super) wait: Option<Level>,
    pub(super) deadline_ms: u64,
    /// Where the record ends in the spool.
    pub(super) position: u64,
    pub(super) duplicate: bool,
    pub(super) unverified: bool,
}

/// Everybody who waits, by message.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    by_message: BTreeMap<Id, Vec<Waiter>>,
    /// Messages whose waiters are content with `accepted`, by position.
    by_position: BTreeMap<u64, Id>,
    synced: u64,
}

impl Waiters {
    pub(super) fn is_empty(&self) -> bool {
        self.by_message.is_empty()
    }

    pub(super) fn add(&mut self, id: Id, waiter: Waiter) {
        if waiter.wait.is_none_or(|level| level == Level::Accepted) {
            self.by_position.insert(waiter.position, id);
        }
        self.by_message.entry(id).or_default().push(waiter);
    }

    pub(super) fn forget(&mut self, token: Token) {
        for waiters in self.by_message.values_mut() {
            waiters.retain(|waiter| waiter.token != token);
        }
        self.by_message.retain(|_, waiters| !waiters.is_empty());
    }

    /// The spool is synced up to `position`.
    pub(super) fn synced(&mut self, cx: &mut Context<'_>, ledger: &Ledger, position: u64) {
        self.synced = self.synced.max(position);
        let later = self.by_position.split_off(&position.saturating_add(1));
        for id in std::mem::replace(&mut self.by_position, later).into_values() {
            self.reached(cx, ledger, id);
        }
    }

    /// Something happened to a message: answers everybody who is content with where it stands.
    pub(super) fn reached(&mut self, cx: &mut Context<'_>, ledger: &Ledger, id: Id) {
        let Some(waiters) = self.by_message.get_mut(&id) else {
            return;
        };
        let Some(level) = ledger.level(&id) else { return };
        let synced = self.synced;
        waiters.retain(|waiter| {
            let content = match waiter.wait {
                None | Some(Level::Accepted) => level >= Level::Stored || waiter.position <= synced,
                Some(wait) => level >= wait,
            };
            if content {
                cx.ask(Effect::Answer {
                    token: waiter.token,
                    answer: answer(ledger, id, waiter, level),
                });
            }
            !content
        });
        if waiters.is_empty() {
            self.by_message.remove(&id);
        }
    }

    /// A message will get no further: its waiters are told why.
    pub(super) fn fail(&mut self, cx: &mut Context<'_>, id: Id, error: &ErrorDetail) {
        for waiter in self.by_message.remove(&id).unwrap_or_default() {
            cx.ask(Effect::Answer {
                token: waiter.token,
                answer: Answer::Error(error.clone()),
            });
        }
    }

    /// Answers those whose time is over.
    pub(super) fn expire(&mut self, cx: &mut Context<'_>, ledger: &Ledger) {
        let (now_ms, synced) = (cx.now.mono_ms, self.synced);
        for (id, waiters) in &mut self.by_message {
            waiters.retain(|waiter| {
                let over = waiter.deadline_ms <= now_ms;
                if over {
                    let reached = ledger
                        .level(id)
                        .filter(|l| *l > Level::Accepted || waiter.position <= synced);
                    cx.ask(Effect::Answer {
                        token: waiter.token,
                        answer: Answer::Error(not_reached(*id, reached)),
                    });
                }
                !over
            });
        }
        self.by_message.retain(|_, waiters| !waiters.is_empty());
    }

    pub(super) fn next_deadline(&self) -> Option<u64> {
        self.by_message
            .values()
            .flatten()
            .map(|waiter| waiter.deadline_ms)
            .min()
    }
}

/// The answer to a sender.
pub(super) fn answer(ledger: &Ledger, id: Id, waiter: &Waiter, level: Level) -> Answer {
    let entry = ledger.sent(&id);
    Answer::Sent(SendAnswer {
        id,
        conversation_id: entry
            .and_then(|e| e.head.as_ref())
            .and_then(|head| head.conversation)
            .unwrap_or(id),
        level,
        stream_seq: entry.and_then(|entry| entry.seq),
        duplicate: waiter.duplicate,
        warning: waiter.unverified.then(|| RECIPIENT_UNVERIFIED.to_owned()),
    })
}

fn not_reached(id: Id, level: Option<Level>) -> ErrorDetail {
    let (message, hint) = match level {
        Some(level) => (
            format!("message {id} is {level}, but the level asked for was not reached in time"),
            format!("do not send it again; look with `wagglebus trace {id}`"),
        ),
        None => (
            format!("message {id} is written, but the disk has not confirmed it in time"),
            "send it again with the same id".to_owned(),
        ),
    };
    ErrorDetail::new(ErrorCode::LevelNotReached, message)
        .hint(hint)
        .details(serde_json::json!({ "level": level, "id": id }))
}
