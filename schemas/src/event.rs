//! The event: one line of the coordinator's log, which is the truth of coordination.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::id::{AgentId, Id};
use crate::time::Timestamp;
use crate::vocabulary::vocabulary;

vocabulary! {
    /// What an event is about, the `<kind>` of `<hive>.event.<kind>.coordinator`.
    EventKind, "event kind" {
        /// A task.
        Task = "task",
        /// An agent.
        Agent = "agent",
        /// The hive as a whole.
        Swarm = "swarm",
        /// A contract.
        Contract = "contract",
        /// A decision.
        Decision = "decision",
        /// What came of a decision.
        Outcome = "outcome",
        /// Something that failed.
        Failure = "failure",
        /// A finding of the rules.
        Compliance = "compliance",
        /// An alert.
        Alert = "alert",
        /// The configuration.
        Config = "config",
        /// A conversation.
        Conversation = "conversation",
        /// The way of an agent from tmux to the bus.
        Migration = "migration",
        /// Who writes the log from here on.
        Leader = "leader",
    }
}

vocabulary! {
    /// What made an event happen.
    CauseType, "cause" {
        /// A command in `WB_TASKS`.
        Command = "command",
        /// A message to the coordinator.
        Message = "message",
        /// A receipt.
        Receipt = "receipt",
        /// A heartbeat, or its absence.
        Heartbeat = "heartbeat",
        /// Time passed.
        Timer = "timer",
        /// An enrolment was written or deleted.
        Enrolment = "enrolment",
        /// The leader decided.
        Leader = "leader",
    }
}

/// What made an event happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Cause {
    /// What kind of thing.
    #[serde(rename = "type")]
    pub kind: CauseType,
    /// Its id, where it has one.
    pub id: Option<Id>,
    /// The stream that it lies in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// Its sequence there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
}

/// One line of the log, the same for every machine (WIRE, Records).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "Event")]
pub struct Event {
    /// The event's own id, also its `Nats-Msg-Id`.
    pub id: Id,
    /// What it is about: the kind of its subject.
    pub entity: EventKind,
    /// Which one: a task's id, an agent's name, the hive.
    pub entity_id: String,
    /// Number of this event among those of its entity, from 1.
    pub seq: u64,
    /// The state before; null where there was none.
    pub from: Option<String>,
    /// The state after.
    pub to: String,
    /// What happened, by the word of the machine's table; `refused` where a command was.
    pub event: String,
    /// Who made it happen.
    pub actor: AgentId,
    /// By what.
    pub cause: Cause,
    /// What had to hold; null where nothing had to.
    pub guard: Option<String>,
    /// When the leader decided it, never before the event in front of it.
    pub at: Timestamp,
    /// What else changed, and what follows from it.
    pub data: Map<String, Value>,
}
