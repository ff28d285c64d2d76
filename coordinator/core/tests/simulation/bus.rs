//! What the coordination relies on in JetStream, and no more: streams, one key, and duplicate windows.

use std::collections::BTreeMap;

use wagglebus_coordinator_core::lead::Appended;
use wagglebus_coordinator_core::lead::election::{Revision, Written};
use wagglebus_coordinator_core::log::Letter;
use wagglebus_schemas::bridge::Bridge;
use wagglebus_schemas::command::TaskVerb;
use wagglebus_schemas::event::Event;
use wagglebus_schemas::failure::Failure;
use wagglebus_schemas::level::ReceiptLevel;
use wagglebus_schemas::receipt::Receipt;
use wagglebus_schemas::subject::Subject;
use wagglebus_schemas::{AgentId, Id, Message};

use crate::store::Beside;

/// How long a stream knows the id of a record, in milliseconds (DESIGN 3.6).
const WINDOW_MS: u64 = 15 * 60 * 1_000;

/// A command as it is stored in `WB_TASKS`.
#[derive(Debug, Clone)]
pub(crate) struct Command {
    pub(crate) verb: TaskVerb,
    pub(crate) from: AgentId,
    /// Its `Nats-Msg-Id`, which a liar may make of anything.
    pub(crate) msg_id: String,
    pub(crate) body: Vec<u8>,
}

/// A line of `WB_EVENTS`.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) event: Event,
    /// Who appended it: the node, and which of its lives.
    pub(crate) by: (usize, u64),
}

/// Until when streams have no room.
#[derive(Debug, Default)]
pub(crate) struct Full {
    pub(crate) log: u64,
    pub(crate) messages: u64,
}

/// The server.
#[derive(Debug, Default)]
pub(crate) struct Bus {
    pub(crate) commands: Vec<Command>,
    /// Messages to the coordinator.
    pub(crate) messages: Vec<Message>,
    /// Receipts about its notices: their ids, the notices, how far they came, through which bridge.
    pub(crate) receipts: Vec<(Id, Id, ReceiptLevel, Bridge)>,
    /// Dead letters: whose, and when.
    pub(crate) letters: Vec<(AgentId, u64)>,
    /// Reports of failures.
    pub(crate) reports: Vec<Failure>,
    command_ids: BTreeMap<String, u64>,
    pub(crate) log: Vec<Line>,
    line_ids: BTreeMap<Id, (u64, u64)>,
    lease: Revision,
    leases: u64,
    /// Verdicts and notices.
    pub(crate) mail: Vec<Letter>,
    mail_ids: BTreeMap<Id, u64>,
    pub(crate) full_until: Full,
    /// What is stored beside the log.
    pub(crate) beside: Beside,
}

impl Bus {
    /// Sequence of the last line of the log.
    pub(crate) fn last(&self) -> u64 {
        self.log.len() as u64
    }

    /// Stores a command; false when its id is known.
    pub(crate) fn command(&mut self, now_ms: u64, command: Command) -> bool {
        let known = self.command_ids.get(&command.msg_id);
        if known.is_some_and(|at| now_ms - at < WINDOW_MS) {
            return false;
        }
        self.command_ids.insert(command.msg_id.clone(), now_ms);
        self.commands.push(command);
        true
    }

    /// The window of a command is over.
    pub(crate) fn forget_command(&mut self, msg_id: &str) {
        self.command_ids.remove(msg_id);
    }

    /// Appends lines if the last sequence is `after`. `fenced` is whether the server minds.
    pub(crate) fn append(
        &mut self,
        now_ms: u64,
        by: (usize, u64),
        (after, fenced): (u64, bool),
        events: &[Event],
        lenient: bool,
    ) -> Appended {
        let last = events.last().unwrap();
        if let Some((seq, at)) = self.line_ids.get(&last.id)
            && now_ms - at < WINDOW_MS
        {
            // Whether the repeat of what was stored is known once others wrote depends on how the shell asks.
            return if lenient || *seq == self.last() {
                Appended::Stored(*seq)
            } else {
                Appended::Refused
            };
        }
        if fenced && after != self.last() {
            return Appended::Refused;
        }
        for event in events {
            // What is read back is what was written as bytes.
            let bytes = serde_json::to_vec(event).unwrap();
            let event: Event = serde_json::from_slice(&bytes).unwrap();
            self.line_ids.insert(event.id, (self.last() + 1, now_ms));
            self.log.push(Line { event, by });
        }
        Appended::Stored(self.last())
    }

    /// Reads the leader's lease.
    pub(crate) const fn look(&self) -> Revision {
        self.lease
    }

    /// Writes the leader's lease if its revision is this one.
    pub(crate) fn write(&mut self, expected: Revision) -> Written {
        if expected != self.lease {
            return Written::Conflict;
        }
        self.leases += 1;
        self.lease = Some(self.leases);
        Written::Stored(self.leases)
    }

    /// Stores a verdict or a notice; false when its id is known.
    pub(crate) fn publish(&mut self, now_ms: u64, letter: Letter) -> bool {
        let known = self.mail_ids.get(&letter.id);
        if known.is_some_and(|at| now_ms - at < WINDOW_MS) {
            return false;
        }
        self.mail_ids.insert(letter.id, now_ms);
        self.mail.push(letter);
        true
    }

    /// Whether a verdict or notice with this id was ever stored.
    pub(crate) fn was_published(&self, id: &Id) -> bool {
        self.mail_ids.contains_key(id)
    }
    /// Whether a letter says that a message was read or cannot be, which is said without an event.
    pub(crate) fn tells_of_reading(&self, letter: &Letter) -> bool {
        if self.dead(letter).is_some() {
            return true;
        }
        let Subject::Receipt { to, .. } = &letter.subject else {
            return false;
        };
        let receipt: Receipt = serde_json::from_slice(&letter.body).unwrap();
        self.messages.iter().any(|message| {
            message.id == receipt.message_id && message.from_agent == *to && receipt.result.is_none()
        })
    }
}
