//! Families of subjects: the shapes that [`Subject`] builds and parses, as data for documents and checks.

use crate::stream::Stream;
use crate::subject::Subject;

/// One shape of subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// See [`Subject::Message`].
    Message,
    /// See [`Subject::Room`].
    Room,
    /// See [`Subject::Receipt`].
    Receipt,
    /// See [`Subject::Control`].
    Control,
    /// See [`Subject::Task`].
    Task,
    /// See [`Subject::Event`].
    Event,
    /// See [`Subject::Report`].
    Report,
    /// See [`Subject::Dlq`].
    Dlq,
    /// See [`Subject::Heartbeat`].
    Heartbeat,
    /// See [`Subject::Api`].
    Api,
    /// See [`Subject::WakeMessage`].
    WakeMessage,
    /// See [`Subject::WakeReceipt`] and [`Subject::WakeControl`].
    WakeReceipt,
}

/// What carries a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// Kept in a stream.
    Stream(Stream),
    /// Core NATS: whoever listens now gets it.
    Live,
    /// Core NATS with a reply.
    Request,
}

impl Family {
    /// Every family.
    pub const ALL: &'static [Self] = &[
        Self::Message,
        Self::Room,
        Self::Receipt,
        Self::Control,
        Self::Task,
        Self::Event,
        Self::Report,
        Self::Dlq,
        Self::Heartbeat,
        Self::Api,
        Self::WakeMessage,
        Self::WakeReceipt,
    ];

    /// Its name in documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Room => "room",
            Self::Receipt => "receipt",
            Self::Control => "control",
            Self::Task => "task",
            Self::Event => "event",
            Self::Report => "report",
            Self::Dlq => "dlq",
            Self::Heartbeat => "heartbeat",
            Self::Api => "api",
            Self::WakeMessage => "wake_message",
            Self::WakeReceipt => "wake_receipt",
        }
    }

    /// The shape, with a placeholder for each token that varies.
    pub const fn template(self) -> &'static str {
        match self {
            Self::Message => "{hive}.msg.{to}.{priority}.{from}",
            Self::Room => "{hive}.room.{room}.{priority}.{from}",
            Self::Receipt => "{hive}.receipt.{to}.{receipt_level}.{from}",
            Self::Control => "{hive}.receipt.{to}.control.coordinator",
            Self::Task => "{hive}.task.{task_verb}.{priority}.{from}",
            Self::Event => "{hive}.event.{event_kind}.coordinator",
            Self::Report => "{hive}.report.{report_kind}.{from}",
            Self::Dlq => "{hive}.dlq.{dead_reason}.{from}",
            Self::Heartbeat => "{hive}.hb.{from}",
            Self::Api => "{hive}.api.{method}.{from}",
            Self::WakeMessage => "{hive}.wake.msg.{to}.{priority}",
            Self::WakeReceipt => "{hive}.wake.receipt.{to}.{wake_level}",
        }
    }

    /// What carries it.
    pub const fn carrier(self) -> Carrier {
        match self {
            Self::Message | Self::Room => Carrier::Stream(Stream::Messages),
            Self::Receipt | Self::Control => Carrier::Stream(Stream::Receipts),
            Self::Task | Self::Report => Carrier::Stream(Stream::Tasks),
            Self::Event => Carrier::Stream(Stream::Events),
            Self::Dlq => Carrier::Stream(Stream::Dlq),
            Self::Heartbeat | Self::WakeMessage | Self::WakeReceipt => Carrier::Live,
            Self::Api => Carrier::Request,
        }
    }

    /// Who publishes.
    pub const fn writer(self) -> &'static str {
        match self {
            Self::Message | Self::Room => "the sender's sidecar",
            Self::Receipt => "the recipient's sidecar, or the coordinator",
            Self::Dlq => "the recipient's sidecar",
            Self::Task | Self::Report | Self::Heartbeat | Self::Api => "every sidecar",
            Self::Control | Self::Event => "the leading coordinator",
            Self::WakeMessage | Self::WakeReceipt => "nats-server, by republishing",
        }
    }

    /// Who reads.
    pub const fn reader(self) -> &'static str {
        match self {
            Self::Message => "the recipient's sidecar, from its four lane consumers",
            Self::Room => "the sidecar of each member, from its four lane consumers",
            Self::Receipt => "the sidecar of the message's sender, from its receipts consumer",
            Self::Control => "the sidecar of the agent, from its receipts consumer",
            Self::Dlq => "the operator",
            Self::Task | Self::Report | Self::Heartbeat | Self::Api => "the coordinator",
            Self::Event => "every coordinator",
            Self::WakeMessage | Self::WakeReceipt => "the sidecar named in the subject",
        }
    }

    /// What it is for, in a sentence.
    pub const fn summary(self) -> &'static str {
        match self {
            Self::Message => "Messages to one agent: its inbox and its history in one.",
            Self::Room => "Messages to a room; each member reads them in its own lanes.",
            Self::Receipt => "Receipts to the sender of a message: how far it came, or why not.",
            Self::Control => {
                "What the operator decided: an agent is paused or resumed, the hive halted or resumed."
            }
            Self::Task => {
                "Commands about tasks; each gets a verdict, which is a receipt from the coordinator."
            }
            Self::Event => "The coordinator's log: what was decided, and what every state follows from.",
            Self::Report => "Reports of agents to the coordinator.",
            Self::Dlq => "Dead letters, written by the dead message's recipient.",
            Self::Heartbeat => "What a sidecar says of itself, every three seconds and on change.",
            Self::Api => "Requests to the coordinator.",
            Self::WakeMessage => {
                "A hint that a lane has mail: headers of the message, no body. Never trusted."
            }
            Self::WakeReceipt => {
                "A hint that a receipt came: headers of the receipt, no body. Never trusted."
            }
        }
    }
}

impl Subject {
    /// The family that it belongs to.
    pub const fn family(&self) -> Family {
        match self {
            Self::Message { .. } => Family::Message,
            Self::Room { .. } => Family::Room,
            Self::Receipt { .. } => Family::Receipt,
            Self::Control { .. } => Family::Control,
            Self::Task { .. } => Family::Task,
            Self::Event { .. } => Family::Event,
            Self::Report { .. } => Family::Report,
            Self::Dlq { .. } => Family::Dlq,
            Self::Heartbeat { .. } => Family::Heartbeat,
            Self::Api { .. } => Family::Api,
            Self::WakeMessage { .. } => Family::WakeMessage,
            Self::WakeReceipt { .. } | Self::WakeControl { .. } => Family::WakeReceipt,
        }
    }
}
