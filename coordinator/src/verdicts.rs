//! Who waits here for what becomes of a command. Verdicts come from this coordinator's own fold of the log: from the
//! lines it stored as the leader, or from those that it read as a standby.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::oneshot;
use wagglebus_coordinator_core::log::{Letter, World};
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::level::ReceiptLevel;
use wagglebus_schemas::limits::ACCOUNT_PAYLOAD_BYTES_MAX;
use wagglebus_schemas::receipt::Receipt;
use wagglebus_schemas::subject::Subject;
use wagglebus_schemas::{AgentId, Id, Timestamp, decode};

/// A command: ids of different senders may be equal.
type Key = (AgentId, Id);

/// What became of a command.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Verdict {
    /// When it was decided.
    pub(crate) at: Timestamp,
    /// What the command changed, or why it was refused.
    pub(crate) outcome: Result<Value, ErrorDetail>,
}

/// All who wait.
#[derive(Debug, Default)]
pub(crate) struct Verdicts(Mutex<BTreeMap<Key, Vec<oneshot::Sender<Verdict>>>>);

/// Somebody who waits for one verdict. Dropped, it waits no more.
#[derive(Debug)]
pub(crate) struct Awaited {
    key: Key,
    verdict: oneshot::Receiver<Verdict>,
    all: Arc<Verdicts>,
}

impl Verdicts {
    /// Begins to wait, which must be before the command is stored.
    pub(crate) fn begin(self: &Arc<Self>, from: AgentId, id: Id) -> Awaited {
        let (sender, verdict) = oneshot::channel();
        let key = (from, id);
        self.waiting().entry(key.clone()).or_default().push(sender);
        Awaited {
            key,
            verdict,
            all: self.clone(),
        }
    }

    /// A record that follows from a stored line: if it is a verdict, those who wait for it have it.
    pub(crate) fn heard(&self, letter: &Letter) {
        let Subject::Receipt { to, .. } = &letter.subject else {
            return;
        };
        let mut waiting = self.waiting();
        // Nearly always nobody waits here, and nothing has to be read.
        if !waiting.keys().any(|(from, _)| from == to) {
            return;
        }
        let Some((id, verdict)) = verdict(letter) else {
            return;
        };
        for sender in waiting.remove(&(to.clone(), id)).into_iter().flatten() {
            sender.send(verdict.clone()).ok();
        }
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<Key, Vec<oneshot::Sender<Verdict>>>> {
        // Nothing is left half done in there.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Awaited {
    /// The verdict, once it is known. Cancel-safe.
    pub(crate) async fn verdict(&mut self) -> Option<Verdict> {
        (&mut self.verdict).await.ok()
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        self.verdict.close();
        let mut waiting = self.all.waiting();
        if let Some(senders) = waiting.get_mut(&self.key) {
            senders.retain(|sender| !sender.is_closed());
            if senders.is_empty() {
                waiting.remove(&self.key);
            }
        }
    }
}

/// The verdict on a command of the last minutes, as the log tells it.
pub(crate) fn of(world: &World, from: &AgentId, id: Id) -> Option<Verdict> {
    let to_them = |letter: &&Letter| matches!(&letter.subject, Subject::Receipt { to, .. } if to == from);
    world
        .follows()
        .filter(to_them)
        .filter_map(verdict)
        .find_map(|(about, verdict)| (about == id).then_some(verdict))
}

/// What a record says of which command; `None` where it is no verdict.
fn verdict(letter: &Letter) -> Option<(Id, Verdict)> {
    let receipt: Receipt = decode::record("verdict", &letter.body, ACCOUNT_PAYLOAD_BYTES_MAX).ok()?;
    let outcome = match receipt.level {
        ReceiptLevel::Done => Ok(receipt.result.unwrap_or_default()),
        ReceiptLevel::Dead => Err(receipt.error.unwrap_or_else(|| {
            let why = "the coordinator refused the command without a reason";
            ErrorDetail::new(ErrorCode::IllegalTransition, why)
        })),
        ReceiptLevel::Fetched | ReceiptLevel::Held | ReceiptLevel::Injected | ReceiptLevel::Seen => {
            return None;
        }
    };
    let at = receipt.at;
    Some((receipt.message_id, Verdict { at, outcome }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use wagglebus_coordinator_core::log::letter;

    fn letter(to: &AgentId, about: Id, result: Option<Value>, error: Option<ErrorDetail>) -> Letter {
        let at = Timestamp::EPOCH;
        letter::receipt(Id::from_bytes([9; 16]), (to.clone(), about), at, result, error).unwrap()
    }

    #[tokio::test]
    async fn a_verdict_reaches_all_who_wait_for_it_and_nobody_else() {
        let (alice, bob): (AgentId, AgentId) = ("alice".parse().unwrap(), "bob".parse().unwrap());
        let id = Id::from_bytes([1; 16]);
        let verdicts = Arc::new(Verdicts::default());
        let mut first = verdicts.begin(alice.clone(), id);
        let mut second = verdicts.begin(alice.clone(), id);
        let other = verdicts.begin(bob.clone(), id);
        verdicts.heard(&letter(&alice, Id::from_bytes([2; 16]), Some(json!(0)), None));
        verdicts.heard(&letter(&alice, id, Some(json!({"state": "pending"})), None));
        let decided = first.verdict().await.unwrap();
        assert_eq!(decided.outcome, Ok(json!({"state": "pending"})));
        assert_eq!(second.verdict().await, Some(decided));
        assert_eq!(verdicts.waiting().len(), 1);
        drop(other);
        assert!(verdicts.waiting().is_empty());
        let mut refused = verdicts.begin(bob.clone(), id);
        let error = ErrorDetail::new(ErrorCode::StaleEpoch, "old");
        verdicts.heard(&letter(&bob, id, None, Some(error.clone())));
        assert_eq!(refused.verdict().await.unwrap().outcome, Err(error));
    }
}
