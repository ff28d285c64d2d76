//! Reasons: why a message is held, and why it is dead.

use crate::vocabulary::vocabulary;

vocabulary! {
    /// Why a message does not move (receipt `held`, heartbeat `hold`).
    HoldReason, "hold reason" {
        /// The recipient has no living sidecar.
        NoSidecar = "no_sidecar",
        /// The agent's process is gone or was replaced.
        AgentGone = "agent_gone",
        /// A half-typed line of a person is in the way.
        HumanTyping = "human_typing",
        /// The agent waits for an answer to a dialog.
        DialogOpen = "dialog_open",
        /// The agent is working and its slots are taken.
        Busy = "busy",
        /// Paused by the operator.
        Paused = "paused",
        /// The agent's provider limits its rate.
        RateLimited = "rate_limited",
        /// No bridge can wake the agent.
        CannotWake = "cannot_wake",
        /// Behind other messages of its lane.
        Queued = "queued",
    }
}

vocabulary! {
    /// Why a message is dead; the `<reason>` token of a dead letter's subject.
    DeadReason, "reason of a dead letter" {
        /// Handed over too often without success.
        MaxDeliver = "max_deliver",
        /// Past its `expires_at`, or close to the end of the stream's retention.
        Expired = "expired",
        /// Its bytes are not a message.
        Undecodable = "undecodable",
        /// Subject and body disagree, or a guard refused it.
        Refused = "refused",
        /// Forwarded too often.
        HopLimit = "hop_limit",
        /// Dropped by the operator.
        Operator = "operator",
        /// Overtaken by a newer assignment.
        Superseded = "superseded",
    }
}
