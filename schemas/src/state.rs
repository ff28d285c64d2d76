//! States of an agent as its sidecar and the coordinator see them.

use crate::vocabulary::vocabulary;

vocabulary! {
    /// What a heartbeat says of the agent behind the sidecar.
    SessionState, "session state" {
        /// The agent is being started.
        Starting = "starting",
        /// Nothing is in its hands.
        Idle = "idle",
        /// It works on at least one message.
        Busy = "busy",
        /// It waits for a person.
        BlockedOnHuman = "blocked_on_human",
        /// Its provider limits its rate.
        RateLimited = "rate_limited",
        /// Its process is gone.
        Gone = "gone",
        /// The sidecar shuts down and takes nothing new.
        Draining = "draining",
        /// The sidecar left on purpose and leaves the agent running.
        Detached = "detached",
    }
}

vocabulary! {
    /// Whether heartbeats arrive, by the coordinator's clock (DESIGN 3.6).
    Presence, "presence" {
        /// A heartbeat arrived within the suspect time.
        Alive = "alive",
        /// Heartbeats are late.
        Suspect = "suspect",
        /// No heartbeat for the lost time, or the agent is gone.
        Lost = "lost",
        /// Enrolled, but never heard of.
        Never = "never",
    }
}

vocabulary! {
    /// State of an agent's machine (TASKS 4).
    AgentState, "agent state" {
        /// Enrolled, no heartbeat with a lease yet.
        Onboarding = "onboarding",
        /// Ready for work.
        Active = "active",
        /// Holds a task.
        ContractExecutionActive = "contract_execution_active",
        /// Its last task was completed.
        SurveyMissionCompleted = "survey_mission_completed",
        /// Paused by the operator.
        Paused = "paused",
        /// Lost or gone.
        Error = "error",
        /// Heard of again after an error.
        Reset = "reset",
        /// Left or was removed.
        Shutdown = "shutdown",
    }
}

vocabulary! {
    /// State of the machine of the hive as a whole (TASKS 4).
    SwarmState, "state of the hive" {
        /// Fewer than two agents are active.
        Idle = "idle",
        /// Work is given out.
        Coordinating = "coordinating",
        /// Something was said to everybody.
        Broadcast = "broadcast",
        /// More than a quarter of the enrolled agents are in error.
        Degraded = "degraded",
        /// The operator stopped everything: nothing is assigned or handed over.
        Halt = "halt",
    }
}
