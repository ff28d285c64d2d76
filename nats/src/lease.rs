//! Leases: who may hand an agent's mail over, and which coordinator tries to lead.

use bytes::Bytes;
use wagglebus_schemas::stream::Bucket;
use wagglebus_schemas::{AgentId, Hive};

/// One key of the lease bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseRef {
    /// The stream behind the bucket.
    pub stream: String,
    /// The key's subject.
    pub subject: String,
}

/// What is written there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseRecord {
    /// The [`Lease`](wagglebus_schemas::lease::Lease) as bytes; not parsed, since another version may have written it.
    pub value: Bytes,
    /// The sequence of the write; expected by the next one.
    pub seq: u64,
}

impl LeaseRef {
    /// An agent's lease.
    pub fn new(hive: &Hive, agent: &AgentId) -> Self {
        Self {
            stream: Bucket::Leases.stream_name(hive),
            subject: Bucket::Leases.key_subject(hive, agent),
        }
    }

    /// The lease of the coordinator that tries to lead.
    pub fn leader(hive: &Hive) -> Self {
        Self {
            stream: Bucket::Leader.stream_name(hive),
            subject: Bucket::Leader.key_subject(hive, &AgentId::coordinator()),
        }
    }
}
