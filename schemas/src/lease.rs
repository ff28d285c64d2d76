//! The lease: who may hand an agent's mail over.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{AgentId, Id};
use crate::time::Timestamp;

/// The value of `WB_leases/<agent>`, written by compare-and-set and renewed with every second heartbeat.
///
/// The stream sequence of the write that acquired it is the epoch; renewals keep that epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "Lease")]
pub struct Lease {
    /// The agent; equals the key.
    pub agent: AgentId,
    /// One life of a sidecar process.
    pub instance: Id,
    /// The sidecar's state folder: the same folder takes its own lease over at once.
    pub state_id: Id,
    /// Host name of the holder, for people.
    pub host: String,
    /// Process id of the holder, for people.
    pub pid: u32,
    /// When it was written, by the holder's clock.
    pub at: Timestamp,
}
