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
        format!("$KV.{}.{key}", self.name(hive))
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
        assert_eq!(Bucket::Leases.key_subject(&hive, &alice), "$KV.ACME_leases.alice");
        assert_eq!(lane_consumer(&alice, Priority::Low), "alice_low");
    }
}
