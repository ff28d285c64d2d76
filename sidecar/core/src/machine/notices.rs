//! What the sidecar learns of tasks from notices and verdicts: the agent's assignments, and which of them are over.

use serde::Deserialize;
use wagglebus_schemas::bridge::Proof;
use wagglebus_schemas::level::ReceiptLevel;
use wagglebus_schemas::notice::{Notice, NoticeKind};
use wagglebus_schemas::reason::DeadReason;
use wagglebus_schemas::receipt::{Receipt, ReceiptReason};
use wagglebus_schemas::{Id, Message, Task};

use super::Sidecar;
use crate::context::Context;
use crate::event::Fetched;
use crate::journal::JournalError;
use crate::ledger::InEntry;
use crate::receipt::Report;
use crate::record::{Key, Outcome, Record, TaskFact, ThenAck};

impl Sidecar {
    /// Takes note of what a message says about a task. Whether it is an assignment that the coordinator has taken back.
    pub(super) fn is_superseded(&mut self, cx: &mut Context<'_>, message: &Message) -> bool {
        let Some(Notice {
            kind,
            task_id,
            epoch: Some(epoch),
        }) = Notice::of(message)
        else {
            return false;
        };
        let known = self.heard_of(cx, task_id);
        match kind {
            NoticeKind::Assigned if epoch <= known.released => return true,
            NoticeKind::Assigned => {
                let fact = TaskFact {
                    assigned: epoch,
                    priority: Some(message.priority),
                    ..known
                };
                self.learn(cx, fact);
            }
            NoticeKind::Released => {
                let fact = TaskFact {
                    released: epoch,
                    ..known
                };
                self.learn(cx, fact);
            }
            NoticeKind::Completed | NoticeKind::Failed | NoticeKind::Cancelled => {}
        }
        false
    }

    /// Ends an assignment that was taken back before it was handed over: it is nobody's mistake and no dead letter.
    ///
    /// # Errors
    /// When the spool has no room: nothing happened, and the message must come again.
    pub(super) fn supersede(
        &mut self,
        cx: &mut Context<'_>,
        fetched: &Fetched,
        key: Key,
    ) -> Result<(), JournalError> {
        let report = Report {
            key: &key,
            levels: &[ReceiptLevel::Dead],
            bridge: None,
            proof: Proof::None,
            delivery: self.ledger.received(&key).map_or(0, InEntry::deliveries),
            reason: Some(ReceiptReason::Dead(DeadReason::Superseded)),
        };
        let (mut out, body) = self.receipt_of(cx, &report);
        out.then_ack = Some(ThenAck {
            ack: fetched.ack.clone(),
            key: Some(key),
            outcome: Some(Outcome::Dead),
        });
        self.accept(cx, out, body).map(|_| ())
    }

    /// Takes note of the task that a verdict shows. A verdict that cannot be read is shown all the same.
    pub(super) fn learn_of_verdict(&mut self, cx: &mut Context<'_>, receipt: &Receipt) {
        let Some(Ok(task)) = receipt.result.as_ref().map(Task::deserialize) else {
            return;
        };
        let known = self.heard_of(cx, task.id);
        let mine = task.assigned_to.as_ref() == Some(&self.settings.identity.agent);
        let mut fact = TaskFact {
            priority: Some(task.priority),
            ..known
        };
        if mine && task.state.is_held() {
            fact.assigned = task.epoch;
        } else if known.assigned > 0 {
            fact.over = task.epoch;
        }
        self.learn(cx, fact);
    }

    fn heard_of(&self, cx: &Context<'_>, task_id: Id) -> TaskFact {
        let nothing = TaskFact {
            task_id,
            assigned: 0,
            over: 0,
            released: 0,
            priority: None,
            at: cx.now.wall,
        };
        self.ledger.task(&task_id).copied().unwrap_or(nothing)
    }

    /// Writes what is new of a fact. Without room in the spool it is known until the end of this process.
    fn learn(&mut self, cx: &mut Context<'_>, fact: TaskFact) {
        let at = cx.now.wall;
        let news = self.ledger.task(&fact.task_id).is_none_or(|known| {
            fact.assigned > known.assigned
                || fact.over > known.over
                || fact.released > known.released
                || fact.priority > known.priority
        });
        if news {
            self.note(cx, Record::Task(TaskFact { at, ..fact }), None);
        }
    }
}
