//! Mail to the coordinator that nobody can read: each record becomes a dead letter, though their stream is full for long.

use std::collections::BTreeSet;

use wagglebus_coordinator_core::lead::{Record, Unreadable};
use wagglebus_coordinator_core::log::post::Origin;
use wagglebus_coordinator_core::log::{Letter, TaskData, letter};
use wagglebus_coordinator_core::task::FreshIds as _;
use wagglebus_schemas::dead_letter::DeadLetter;
use wagglebus_schemas::event::Event;
use wagglebus_schemas::reason::DeadReason;
use wagglebus_schemas::stream::Stream;
use wagglebus_schemas::subject::Subject;
use wagglebus_schemas::{AgentId, Draft, Hive, Message, Priority};

use crate::bus::Bus;
use crate::node::Request;
use crate::sim::{Due, Sim};

/// What stands for bytes that are no message.
const MUMBLE: &str = "mumble";

impl Sim {
    /// Somebody sends the coordinator what it cannot read.
    pub(crate) fn mumble(&mut self, at: usize) {
        let draft = Draft::text(AgentId::coordinator().into(), MUMBLE.to_owned());
        let (from, wall) = (self.agents[at].name.clone(), self.nodes[0].wall(self.now_ms));
        let message = draft.into_message(self.ids.fresh(), from, wall);
        let delay = self.delay();
        self.after(delay, Due::Message(Box::new(message)));
    }

    /// Whether the server has no room for this.
    pub(crate) fn has_no_room(&self, letter: &Letter) -> bool {
        self.weather.letters_full && !self.calm && matches!(letter.subject, Subject::Dlq { .. })
    }
}

impl Sim {
    /// What follows from events that are not stored.
    pub(crate) fn publish_first(&mut self, at: usize, events: &[Event]) {
        for event in events {
            let Ok(data) = TaskData::decode(&event.data) else {
                continue;
            };
            let world = self.nodes[at].coordination.world();
            let task = event.entity_id.parse().ok().and_then(|id| world.task(&id));
            for letter in letter::letters(event, &data, task.map(|entry| &entry.task)) {
                self.ask(at, Request::Publish(letter));
            }
        }
    }
}

impl Bus {
    /// What a leader makes of a message; `None`: it can be read.
    pub(crate) fn unreadable(&self, seq: u64) -> Option<Unreadable> {
        let n = usize::try_from(seq).ok()?.checked_sub(1)?;
        let message = self.messages.get(n).filter(|message| message.content == MUMBLE)?;
        Some(Unreadable {
            origin: Origin {
                stream: Stream::Messages,
                seq,
            },
            record: record(message),
            reason: DeadReason::Undecodable,
            detail: "it says nothing".to_owned(),
        })
    }

    /// Of which message a dead letter is.
    pub(crate) fn dead(&self, letter: &Letter) -> Option<u64> {
        if !matches!(letter.subject, Subject::Dlq { .. }) {
            return None;
        }
        let letter: DeadLetter = serde_json::from_slice(&letter.body).ok()?;
        let dead = self.unreadable(letter.stream_seq)?;
        (letter.message_id.map(|id| id.to_string()) == dead.record.msg_id).then_some(letter.stream_seq)
    }

    /// A message that nobody can read and that is no dead letter.
    pub(crate) fn unburied(&self) -> Option<String> {
        let dead: BTreeSet<u64> = self.mail.iter().filter_map(|letter| self.dead(letter)).collect();
        let mut seqs = 1..=self.messages.len() as u64;
        let lost = seqs.find(|seq| self.unreadable(*seq).is_some() && !dead.contains(seq));
        lost.map(|seq| format!("message {seq} is no dead letter"))
    }
}

fn record(message: &Message) -> Record {
    let subject = Subject::Message {
        to: AgentId::coordinator(),
        priority: Priority::Normal,
        from: message.from_agent.clone(),
    };
    Record {
        subject: subject.build(&Hive::default()),
        msg_id: Some(message.id.to_string()),
        payload: MUMBLE.as_bytes().to_vec(),
    }
}
