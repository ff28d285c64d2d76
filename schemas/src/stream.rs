//! Names of streams, buckets and consumers.

use crate::hive::Hive;
use crate::id::AgentId;
use crate::priority::Priority;
use crate::vocabulary::vocabulary;

vocabulary! {
    /// The streams of a hive (DESIGN 3.3).
    Stream, "stream" {
        /// Messages to agents and rooms: inbox and history in one.
        Messages = "MESSAGES",
        /// Receipts about messages.
        Receipts = "RECEIPTS",
        /// Commands about tasks, and reports.
        Tasks = "TASKS",
        /// What the coordinator decided.
        Events = "EVENTS",
        /// Dead letters.
        Dlq = "DLQ",
    }
}

vocabulary! {
    /// The key-value buckets of a hive that exist so far.
    Bucket, "bucket" {
        /// Who holds an agent's inbox; each agent writes its own key.
        Leases = "leases",
        /// Who is enrolled, with key and rooms.
        Enrolments = "enrolments",
        /// Which coordinator tries to lead; its one key is `coordinator`.
        Leader = "leader",
        /// Each task as the log tells of it, by its id. Written by the leader.
        Tasks = "tasks",
        /// Each agent as the leader knows it, by its name. Written by the leader.
        Agents = "agents",
        /// Where each machine stands, by `<entity>.<id>`. Written by the leader.
        Fsm = "fsm",
    }
}

vocabulary! {
    /// The object stores of a hive.
    ObjectStore, "object store" {
        /// What the log said at a moment, whole: with it older lines of the log can go.
        Snapshots = "snapshots",
    }
}

impl Stream {
    /// The stream's name in a hive, such as `WB_MESSAGES`.
    pub fn name(self, hive: &Hive) -> String {
        format!("{}_{}", hive.upper(), self.as_str())
    }
}

impl Bucket {
    /// The bucket's name in a hive, such as `WB_leases`.
    pub fn name(self, hive: &Hive) -> String {
        format!("{}_{}", hive.upper(), self.as_str())
    }

    /// The name of the stream behind the bucket, such as `KV_WB_leases`.
    pub fn stream_name(self, hive: &Hive) -> String {
        format!("KV_{}", self.name(hive))
    }

    /// The subject of a key, such as `$KV.WB_leases.alice`.
    pub fn key_subject(self, hive: &Hive, key: &AgentId) -> String {
        self.subject_of(hive, key.as_str())
    }

    /// The subject of a key that is no agent's name, such as `$KV.WB_fsm.task.<id>`.
    pub fn subject_of(self, hive: &Hive, key: &str) -> String {
        format!("$KV.{}.{key}", self.name(hive))
    }
}

impl ObjectStore {
    /// The store's name in a hive, such as `WB_snapshots`.
    pub fn name(self, hive: &Hive) -> String {
        format!("{}_{}", hive.upper(), self.as_str())
    }

    /// The name of the stream behind the store, such as `OBJ_WB_snapshots`.
    pub fn stream_name(self, hive: &Hive) -> String {
        format!("OBJ_{}", self.name(hive))
    }
}

/// The durable consumer of one of an agent's lanes on `WB_MESSAGES`, such as `alice_urgent`.
pub fn lane_consumer(agent: &AgentId, priority: Priority) -> String {
    format!("{agent}_{priority}")
}

/// The durable consumer of an agent's receipts on `WB_RECEIPTS`, such as `alice_receipts`.
pub fn receipts_consumer(agent: &AgentId) -> String {
    format!("{agent}_receipts")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_begin_with_the_upper_case_hive() {
        let hive: Hive = "acme".parse().unwrap();
        let alice: AgentId = "alice".parse().unwrap();
        assert_eq!(Stream::Messages.name(&hive), "ACME_MESSAGES");
        assert_eq!(Bucket::Leases.stream_name(&hive), "KV_ACME_leases");
        assert_eq!(Bucket::Fsm.subject_of(&hive, "task.1"), "$KV.ACME_fsm.task.1");
        assert_eq!(ObjectStore::Snapshots.stream_name(&hive), "OBJ_ACME_snapshots");
        assert_eq!(Bucket::Leases.key_subject(&hive, &alice), "$KV.ACME_leases.alice");
        assert_eq!(lane_consumer(&alice, Priority::Low), "alice_low");
    }
}
