//! The live feed of the fleet: what its events are called.

use crate::vocabulary::vocabulary;

vocabulary! {
    /// What an event of the feed is about: its name as a server-sent event, and what `?kind=` asks for (TASKS 6).
    FeedKind, "kind" {
        /// A line of the log about an agent.
        Agent = "agent",
        /// A line of the log about a task.
        Task = "task",
        /// A message to an agent or a room.
        Message = "message",
        /// A receipt about a message or a command.
        Receipt = "receipt",
        /// A line of the log about a contract.
        Contract = "contract",
        /// A line of the log about a decision, or what came of it.
        Decision = "decision",
        /// A line of the log about an alert, a failure or a finding.
        Alert = "alert",
        /// A line of the log about the hive as a whole: its state, who leads, its configuration.
        Swarm = "swarm",
        /// Counters of the coordinator that is read, now and then.
        Metric = "metric",
    }
}
