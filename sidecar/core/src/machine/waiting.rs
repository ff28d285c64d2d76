//! Senders that wait for a level of their message.

use std::collections::BTreeMap;

use wagglebus_schemas::api::{RECIPIENT_UNVERIFIED, SendAnswer};
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::receipt::ReceiptReason;
use wagglebus_schemas::{Id, Level};

use crate::context::Context;
use crate::effect::{Answer, Commanded, Effect};
use crate::event::Token;
use crate::ledger::Ledger;

/// A sender that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Waiter {
    pub(super) token: Token,
    /// The level asked for; `None`: the first of stored and accepted.
    pub(super) wait: Option<Level>,
    pub(super) since_ms: u64,
    pub(super) deadline_ms: u64,
    /// Where the record ends in the spool.
    pub(super) position: u64,
    pub(super) duplicate: bool,
    pub(super) unverified: bool,
    /// It waits for the verdict on a command, and for no level.
    pub(super) verdict: bool,
}

impl Waiter {
    pub(super) fn is_content_with_accepted(&self) -> bool {
        !self.verdict && self.wait.is_none_or(|level| level == Level::Accepted)
    }
}

/// Everybody who waits, by message.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    by_message: BTreeMap<Id, Vec<Waiter>>,
    /// Messages that the disk has not confirmed, by position.
    unsynced: BTreeMap<u64, Id>,
    /// Up to where the disk has confirmed what this process wrote. `None`: not even what it found at its start.
    synced: Option<u64>,
    /// Nobody's time is over before this.
    deadline_ms: Option<u64>,
}

impl Waiters {
    pub(super) fn is_empty(&self) -> bool {
        self.by_message.is_empty()
    }

    /// A message was written up to `position`.
    pub(super) fn accepted(&mut self, id: Id, position: u64) {
        self.unsynced.insert(position, id);
    }

    /// Where a message ends in the spool; 0 once the disk has confirmed it, and of what an earlier process wrote.
    pub(super) fn position_of(&self, id: &Id) -> u64 {
        let mut unsynced = self.unsynced.iter();
        unsynced
            .find(|(_, known)| *known == id)
            .map_or(0, |(position, _)| *position)
    }

    pub(super) fn add(&mut self, id: Id, waiter: Waiter) {
        let deadline_ms = self.deadline_ms.unwrap_or(waiter.deadline_ms);
        self.deadline_ms = Some(deadline_ms.min(waiter.deadline_ms));
        self.by_message.entry(id).or_default().push(waiter);
    }

    /// Whether a message at `level` is what the sender waits for. `accepted` counts once the disk has confirmed it.
    pub(super) fn is_content(&self, waiter: &Waiter, level: Level) -> bool {
        match waiter.wait {
            _ if waiter.verdict => false,
            None | Some(Level::Accepted) => level >= Level::Stored || self.is_synced(waiter),
            Some(wait) => level >= wait,
        }
    }

    fn is_synced(&self, waiter: &Waiter) -> bool {
        self.synced.is_some_and(|synced| waiter.position <= synced)
    }

    pub(super) fn forget(&mut self, token: Token) {
        for waiters in self.by_message.values_mut() {
            waiters.retain(|waiter| waiter.token != token);
        }
        self.by_message.retain(|_, waiters| !waiters.is_empty());
    }

    /// The spool is synced up to `position`.
    pub(super) fn synced(&mut self, cx: &mut Context<'_>, ledger: &Ledger, position: u64) {
        if self.synced.is_none() {
            let of_former = |waiters: &Vec<Waiter>| waiters.iter().any(|waiter| waiter.position == 0);
            let found = self.by_message.iter().filter(|(_, waiters)| of_former(waiters));
            let found: Vec<Id> = found.map(|(id, _)| *id).collect();
            self.synced = Some(position);
            found.into_iter().for_each(|id| self.reached(cx, ledger, id));
        }
        self.synced = self.synced.max(Some(position));
        let later = self.unsynced.split_off(&position.saturating_add(1));
        for id in std::mem::replace(&mut self.unsynced, later).into_values() {
            self.reached(cx, ledger, id);
        }
    }

    /// Something happened to a message: answers everybody who is content with where it stands.
    pub(super) fn reached(&mut self, cx: &mut Context<'_>, ledger: &Ledger, id: Id) {
        let Some(level) = ledger.level(&id) else { return };
        let waiters = self.by_message.remove(&id).unwrap_or_default();
        let (content, waiting): (Vec<_>, Vec<_>) = waiters
            .into_iter()
            .partition(|waiter| self.is_content(waiter, level));
        for waiter in content {
            cx.ask(Effect::Answer {
                token: waiter.token,
                answer: answer(ledger, id, &waiter, level),
            });
        }
        if !waiting.is_empty() {
            self.by_message.insert(id, waiting);
        }
    }

    /// A command is decided: tells everybody who waits for its verdict.
    pub(super) fn decided(&mut self, cx: &mut Context<'_>, id: Id) {
        for waiter in self.by_message.remove(&id).unwrap_or_default() {
            cx.ask(Effect::Answer {
                token: waiter.token,
                answer: commanded(id, &waiter, None),
            });
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

    /// Answers those whose time is over. Looks at all of them only when that may be anybody's.
    pub(super) fn expire(&mut self, cx: &mut Context<'_>, ledger: &Ledger) {
        let now_ms = cx.now.mono_ms;
        if self.deadline_ms.is_some_and(|at_ms| at_ms <= now_ms) {
            self.give_up(cx, ledger, |waiter| waiter.deadline_ms <= now_ms);
            let waiting = self.by_message.values().flatten();
            self.deadline_ms = waiting.map(|waiter| waiter.deadline_ms).min();
        }
    }

    /// Answers those who shall wait no longer with how far their message came.
    pub(super) fn give_up(&mut self, cx: &mut Context<'_>, ledger: &Ledger, over: impl Fn(&Waiter) -> bool) {
        let synced = self.synced;
        let is_synced = |waiter: &Waiter| synced.is_some_and(|synced| waiter.position <= synced);
        for (id, waiters) in &mut self.by_message {
            waiters.retain(|waiter| {
                let over = over(waiter);
                if over {
                    let reached = ledger
                        .level(id)
                        .filter(|level| *level > Level::Accepted || is_synced(waiter));
                    let answer = match reached {
                        Some(_) if waiter.verdict => commanded(*id, waiter, reached),
                        _ => Answer::Error(not_reached(*id, reached)),
                    };
                    cx.ask(Effect::Answer {
                        token: waiter.token,
                        answer,
                    });
                }
                !over
            });
        }
        self.by_message.retain(|_, waiters| !waiters.is_empty());
    }

    /// Since when the first sender waits whom the disk alone could answer.
    pub(super) fn disk_awaited_since(&self) -> Option<u64> {
        let waiters = self.by_message.values().flatten();
        let by_disk = waiters.filter(|w| w.is_content_with_accepted() && !self.is_synced(w));
        by_disk.map(|waiter| waiter.since_ms).min()
    }

    pub(super) const fn next_deadline(&self) -> Option<u64> {
        self.deadline_ms
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
        stale: false,
    })
}

/// The answer to who waits for a verdict.
pub(super) fn commanded(id: Id, waiter: &Waiter, undecided: Option<Level>) -> Answer {
    Answer::Commanded(Commanded {
        id,
        repeat: waiter.duplicate,
        undecided,
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

/// What the sender of a dead message is told.
pub(super) fn dead(ledger: &Ledger, id: Id, reason: Option<ReceiptReason>) -> ErrorDetail {
    let reason = reason.map_or_else(|| "dead".to_owned(), |reason| reason.to_string());
    ErrorDetail::new(
        ErrorCode::LevelNotReached,
        format!("message {id} is dead: {reason}"),
    )
    .hint(format!("look with `wagglebus trace {id}`"))
    .details(serde_json::json!({ "level": ledger.level(&id), "id": id, "dead": reason }))
}
