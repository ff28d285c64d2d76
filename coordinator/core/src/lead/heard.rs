//! What the leader reads beside commands: replies, receipts, and what is said to everybody.

#[cfg(test)]
mod tests;

use wagglebus_schemas::Message;
use wagglebus_schemas::event::{Cause, CauseType};
use wagglebus_schemas::state::SwarmState;
use wagglebus_schemas::stream::Stream;

use super::coordination::Coordination;
use super::order::{Announced, Desk, Noted, Told};
use crate::fsm::swarm::SwarmEvent;
use crate::fsm::write::Because;
use crate::log::TaskEntry;
use crate::log::crew::MachineData;
use crate::task::{reply, timer};

/// Age of an announcement, in milliseconds, from which on it is history: a first leader reads all there ever were.
const NEWS_MS: i64 = 60_000;

impl Coordination {
    /// A message to the coordinator was read: from a holder, in reply to its assignment, it is the result.
    pub fn told(&mut self, desk: &mut Desk<'_>, told: &Told) {
        if !self.leads() || told.seq <= self.read_to(Stream::Messages) {
            return;
        }
        self.read_messages = told.seq;
        let message = &told.message;
        let replied = message.in_reply_to();
        let task = replied.and_then(|notice| self.world.of_notice(&notice));
        let cause = self.cause(CauseType::Message, Stream::Messages, message.id, told.seq);
        let completed = task
            .cloned()
            .filter(|entry| entry.task.assigned_to.as_ref() == Some(&message.from_agent));
        if let Some(alert) = self.replied_alert(message)
            && self.acknowledge(desk, alert, message, cause.clone())
        {
            return;
        }
        match completed {
            Some(_) if reply::is_too_long(message) => self.refuse_reply(desk, message),
            Some(entry) => {
                let done = self.by_itself(desk, |_, scribe| reply::completed(&entry, message, cause, scribe));
                if !done {
                    self.refuse_reply(desk, message);
                }
                self.tick(desk);
            }
            // It is read, and nothing follows from it; who thinks that it was a result is told why it is none.
            None => {
                let from = &message.from_agent;
                let error = replied.and_then(|notice| reply::refusal(&self.world, &notice, from));
                let read = reply::read(message, error, desk.ids.fresh(), self.stamp(desk.now));
                if let Some(read) = read {
                    self.publish(desk, read);
                }
            }
        }
    }

    fn refuse_reply(&mut self, desk: &mut Desk<'_>, message: &Message) {
        let refusal = reply::too_long(message, desk.ids.fresh(), self.stamp(desk.now));
        if let Some(refusal) = refusal {
            self.publish(desk, refusal);
        }
    }

    /// A receipt about a notice was read: who saw its assignment has accepted it.
    pub fn noted(&mut self, desk: &mut Desk<'_>, noted: Noted) {
        if !self.leads() || noted.seq <= self.read_to(Stream::Receipts) {
            return;
        }
        self.read_receipts = noted.seq;
        self.weigh(desk, noted);
    }

    /// Looks again at receipts that came before the first heartbeat of who sent them.
    pub(super) fn reconsider(&mut self, desk: &mut Desk<'_>) {
        for noted in std::mem::take(&mut self.unsure).into_values() {
            self.weigh(desk, noted);
        }
    }

    fn weigh(&mut self, desk: &mut Desk<'_>, noted: Noted) {
        let noted_by = |entry: &&TaskEntry| entry.task.assigned_to.as_ref() == Some(&noted.from);
        let Some(entry) = self.world.of_notice(&noted.notice).filter(noted_by).cloned() else {
            return;
        };
        let member = desk.roster.member(&noted.from);
        match reply::is_acceptance(noted.level, noted.bridge, member) {
            Some(true) => {
                let cause = self.cause(CauseType::Receipt, Stream::Receipts, noted.id, noted.seq);
                self.by_itself(desk, |_, scribe| timer::accepted(&entry, cause, scribe));
                self.append(desk);
            }
            Some(false) => {}
            // A receipt is read once, and a new leader reads it before it has heard everybody.
            None => {
                self.unsure.insert(noted.notice, noted);
            }
        }
    }

    /// A message to everybody was read.
    pub fn announced(&mut self, desk: &mut Desk<'_>, announced: &Announced) {
        if !self.leads() || announced.seq <= self.read_to(Stream::Messages) {
            return;
        }
        self.read_messages = announced.seq;
        let age_ms = desk.now.wall.unix_ms().saturating_sub(announced.at.unix_ms());
        if self.world.crew().swarm().state != SwarmState::Coordinating || age_ms > NEWS_MS {
            return;
        }
        let because = Because {
            actor: announced.from.clone(),
            cause: Cause {
                kind: CauseType::Message,
                id: Some(announced.id),
                stream: Some(Stream::Messages.name(&self.hive)),
                seq: Some(announced.seq),
            },
        };
        self.write_swarm(desk, SwarmEvent::Announce, because, &MachineData::default());
        self.append(desk);
    }
}
