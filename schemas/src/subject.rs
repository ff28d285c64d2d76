//! The subject grammar: every subject of the bus is built and parsed here and nowhere else.
//!
//! The sender's token is always last, so that a permission can say who may speak as whom (DESIGN 3.3).

use crate::command::TaskVerb;
use crate::event::EventKind;
use crate::hive::Hive;
use crate::id::{AgentId, NameError, RoomName};
use crate::level::ReceiptLevel;
use crate::priority::Priority;
use crate::reason::DeadReason;
use crate::vocabulary::{UnknownWord, vocabulary};

vocabulary! {
    /// Reports of agents to the coordinator, the `<kind>` of `<hive>.report.<kind>.<from>`.
    ReportKind, "report kind" {
        /// What came of a decision.
        Outcome = "outcome",
        /// Progress of a contract.
        Contract = "contract",
        /// Something failed.
        Failure = "failure",
        /// A finding of the scanner.
        Compliance = "compliance",
        /// Resources used.
        Usage = "usage",
    }
}

vocabulary! {
    /// Methods of the request/reply API, the `<method>` of `<hive>.api.<method>.<from>`.
    ApiMethod, "api method" {
        /// The whole roster.
        Agents = "agents",
        /// One agent.
        Agent = "agent",
        /// An address to an agent.
        Resolve = "resolve",
        /// The rooms there are.
        Rooms = "rooms",
        /// Into a room.
        Join = "join",
        /// Out of a room.
        Leave = "leave",
        /// The tasks there are.
        Tasks = "tasks",
        /// One task.
        Task = "task",
        /// Why a task went to whom.
        Explain = "explain",
        /// Where a machine stands or stood, and its events.
        Fsm = "fsm",
        /// What a person should know of.
        Alerts = "alerts",
    }
}

/// A subject of the bus without its hive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// `msg.<to>.<priority>.<from>`: a message to an agent.
    Message {
        /// The recipient.
        to: AgentId,
        /// Its lane.
        priority: Priority,
        /// The sender.
        from: AgentId,
    },
    /// `room.<room>.<priority>.<from>`: a message to a room.
    Room {
        /// The room.
        room: RoomName,
        /// The lane of each member.
        priority: Priority,
        /// The sender.
        from: AgentId,
    },
    /// `receipt.<to>.<level>.<from>`: a receipt.
    Receipt {
        /// The sender of the message that is receipted.
        to: AgentId,
        /// The highest level reported.
        level: ReceiptLevel,
        /// Who reports.
        from: AgentId,
    },
    /// `receipt.<to>.control.coordinator`: what the operator decided about an agent, among its receipts.
    Control {
        /// The agent.
        to: AgentId,
    },
    /// `task.<verb>.<priority>.<from>`: a command about a task.
    Task {
        /// What it asks.
        verb: TaskVerb,
        /// How important it is.
        priority: Priority,
        /// Who asks.
        from: AgentId,
    },
    /// `event.<kind>.coordinator`: a line of the coordinator's log.
    Event {
        /// What it is about.
        kind: EventKind,
    },
    /// `report.<kind>.<from>`: a report to the coordinator.
    Report {
        /// What it is about.
        kind: ReportKind,
        /// Who reports.
        from: AgentId,
    },
    /// `dlq.<reason>.<from>`: a dead letter, written by the dead message's recipient.
    Dlq {
        /// Why it is dead.
        reason: DeadReason,
        /// Who wrote it.
        from: AgentId,
    },
    /// `hb.<from>`: a heartbeat.
    Heartbeat {
        /// Whose.
        from: AgentId,
    },
    /// `api.<method>.<from>`: a request to the coordinator.
    Api {
        /// What is asked.
        method: ApiMethod,
        /// Who asks.
        from: AgentId,
    },
    /// `wake.msg.<to>.<priority>`: a hint that the lane may have mail; never trusted.
    WakeMessage {
        /// Whose lane.
        to: AgentId,
        /// Which lane.
        priority: Priority,
    },
    /// `wake.receipt.<to>.<level>`: a hint that a receipt may have come; never trusted.
    WakeReceipt {
        /// Whose receipts.
        to: AgentId,
        /// Its level.
        level: ReceiptLevel,
    },
    /// `wake.receipt.<to>.control`: a hint that the operator may want something; never trusted.
    WakeControl {
        /// Of whom.
        to: AgentId,
    },
}

/// Why a text is no subject of the bus.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubjectError {
    /// It does not begin with this hive's name.
    #[error("subject is not of hive {hive}")]
    OtherHive {
        /// The hive that was expected.
        hive: String,
    },
    /// No family has this shape.
    #[error("no subject family has this first word and number of tokens")]
    UnknownShape,
    /// A token that must be a name is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A token that must be a word of a closed vocabulary is none.
    #[error(transparent)]
    Word(#[from] UnknownWord),
}

impl Subject {
    /// The full subject in a hive.
    pub fn build(&self, hive: &Hive) -> String {
        match self {
            Self::Message { to, priority, from } => format!("{hive}.msg.{to}.{priority}.{from}"),
            Self::Room { room, priority, from } => format!("{hive}.room.{room}.{priority}.{from}"),
            Self::Receipt { to, level, from } => format!("{hive}.receipt.{to}.{level}.{from}"),
            Self::Control { to } => format!("{hive}.receipt.{to}.control.coordinator"),
            Self::Task { verb, priority, from } => format!("{hive}.task.{verb}.{priority}.{from}"),
            Self::Event { kind } => format!("{hive}.event.{kind}.coordinator"),
            Self::Report { kind, from } => format!("{hive}.report.{kind}.{from}"),
            Self::Dlq { reason, from } => format!("{hive}.dlq.{reason}.{from}"),
            Self::Heartbeat { from } => format!("{hive}.hb.{from}"),
            Self::Api { method, from } => format!("{hive}.api.{method}.{from}"),
            Self::WakeMessage { to, priority } => format!("{hive}.wake.msg.{to}.{priority}"),
            Self::WakeReceipt { to, level } => format!("{hive}.wake.receipt.{to}.{level}"),
            Self::WakeControl { to } => format!("{hive}.wake.receipt.{to}.control"),
        }
    }

    /// Parses a full subject of a hive.
    ///
    /// # Errors
    /// When the subject is of another hive, of no known family, or a token is outside its grammar. Literal `*` and `>`
    /// (which NATS stores as they are when published) are such tokens.
    pub fn parse(hive: &Hive, subject: &str) -> Result<Self, SubjectError> {
        let mut tokens = subject.split('.');
        if tokens.next() != Some(hive.as_str()) {
            return Err(SubjectError::OtherHive {
                hive: hive.to_string(),
            });
        }
        // One more than the longest family: enough to tell that a subject is too long without collecting it.
        let tokens: Vec<&str> = tokens.take(5).collect();
        Ok(match *tokens.as_slice() {
            ["msg", to, priority, from] => Self::Message {
                to: to.parse()?,
                priority: priority.parse()?,
                from: from.parse()?,
            },
            ["room", room, priority, from] => Self::Room {
                room: room.parse()?,
                priority: priority.parse()?,
                from: from.parse()?,
            },
            ["receipt", to, "control", "coordinator"] => Self::Control { to: to.parse()? },
            ["receipt", to, level, from] => Self::Receipt {
                to: to.parse()?,
                level: level.parse()?,
                from: from.parse()?,
            },
            ["task", verb, priority, from] => Self::Task {
                verb: verb.parse()?,
                priority: priority.parse()?,
                from: from.parse()?,
            },
            ["event", kind, "coordinator"] => Self::Event { kind: kind.parse()? },
            ["report", kind, from] => Self::Report {
                kind: kind.parse()?,
                from: from.parse()?,
            },
            ["dlq", reason, from] => Self::Dlq {
                reason: reason.parse()?,
                from: from.parse()?,
            },
            ["hb", from] => Self::Heartbeat { from: from.parse()? },
            ["api", method, from] => Self::Api {
                method: method.parse()?,
                from: from.parse()?,
            },
            ["wake", "msg", to, priority] => Self::WakeMessage {
                to: to.parse()?,
                priority: priority.parse()?,
            },
            ["wake", "receipt", to, "control"] => Self::WakeControl { to: to.parse()? },
            ["wake", "receipt", to, level] => Self::WakeReceipt {
                to: to.parse()?,
                level: level.parse()?,
            },
            _ => return Err(SubjectError::UnknownShape),
        })
    }

    /// Who published under this subject, where the subject says so.
    pub const fn from(&self) -> Option<&AgentId> {
        match self {
            Self::Message { from, .. }
            | Self::Room { from, .. }
            | Self::Receipt { from, .. }
            | Self::Task { from, .. }
            | Self::Report { from, .. }
            | Self::Dlq { from, .. }
            | Self::Heartbeat { from }
            | Self::Api { from, .. } => Some(from),
            // Only the coordinator can write these.
            Self::Control { .. }
            | Self::Event { .. }
            | Self::WakeMessage { .. }
            | Self::WakeReceipt { .. }
            | Self::WakeControl { .. } => None,
        }
    }
}

/// Filters and wildcards, for consumers and subscriptions.
pub mod filter {
    use super::{AgentId, ApiMethod, Hive, Priority, ReportKind, RoomName};

    /// Everything in an agent's inbox at one priority; the filter of a lane.
    pub fn lane(hive: &Hive, agent: &AgentId, priority: Priority) -> String {
        format!("{hive}.msg.{agent}.{priority}.*")
    }

    /// Everything posted to a room at one priority; a further filter of a member's lane.
    pub fn room(hive: &Hive, room: &RoomName, priority: Priority) -> String {
        format!("{hive}.room.{room}.{priority}.*")
    }

    /// Everything posted to the room of everybody.
    pub fn announcements(hive: &Hive) -> String {
        format!("{hive}.room.{}.*.*", RoomName::all())
    }

    /// Every receipt to an agent.
    pub fn receipts(hive: &Hive, agent: &AgentId) -> String {
        format!("{hive}.receipt.{agent}.*.*")
    }

    /// Every wake of an agent.
    pub fn wakes(hive: &Hive, agent: &AgentId) -> String {
        format!("{hive}.wake.*.{agent}.*")
    }

    /// Everything in an agent's inbox that was sent to it alone.
    pub fn messages(hive: &Hive, agent: &AgentId) -> String {
        format!("{hive}.msg.{agent}.*.*")
    }

    /// Every command about a task, and no report.
    pub fn commands(hive: &Hive) -> String {
        format!("{hive}.task.>")
    }

    /// Every dead letter.
    pub fn dead_letters(hive: &Hive) -> String {
        format!("{hive}.dlq.*.*")
    }

    /// Every report of one kind.
    pub fn reports(hive: &Hive, kind: ReportKind) -> String {
        format!("{hive}.report.{kind}.*")
    }

    /// Every heartbeat.
    pub fn heartbeats(hive: &Hive) -> String {
        format!("{hive}.hb.*")
    }

    /// Every caller of one API method.
    pub fn api(hive: &Hive, method: ApiMethod) -> String {
        format!("{hive}.api.{method}.*")
    }
}

/// Beginning of the JetStream API as an agent's account sees it, such as `wb.js`.
pub fn agent_api_prefix(hive: &Hive) -> String {
    format!("{hive}.js")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_and_malformed_subjects_are_refused() {
        let hive = Hive::default();
        for bad in [
            "",
            "wb",
            "wb.msg",
            "wb.msg.bob.normal",
            "wb.msg.bob.normal.alice.x",
            "wb.msg.bob.normal.alice.x.y.z",
            "wb.msg.*.normal.alice",
            "wb.msg.bob.>",
            "wb.msg.bob.soon.alice",
            "wb.msg..normal.alice",
            "wb.event.task.alice",
            "wb.task.submit.soon.alice",
            "acme.msg.bob.normal.alice",
            "wb.msg.Bob.normal.alice",
            "wb.receipt.bob.stored.alice",
        ] {
            assert!(Subject::parse(&hive, bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_sender_is_the_last_token() {
        let hive = Hive::default();
        for subject in [
            "wb.msg.bob.urgent.alice",
            "wb.room.all.low.alice",
            "wb.dlq.refused.alice",
            "wb.task.accept.high.alice",
            "wb.hb.alice",
        ] {
            let parsed = Subject::parse(&hive, subject).unwrap();
            assert_eq!(parsed.from().unwrap().as_str(), "alice");
            assert_eq!(parsed.build(&hive), subject);
        }
    }
}
