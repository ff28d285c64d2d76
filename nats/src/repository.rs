//! Records of the coordinator in key-value buckets, written by compare and set.

use std::future::Future;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use wagglebus_schemas::Hive;
use wagglebus_schemas::stream::Bucket;

use crate::bus::Bus;
use crate::error::LeaseError;
use crate::lease::LeaseRef;

/// How often a write that somebody else was faster than is tried again with what is there now.
const ROUNDS: usize = 8;

/// A record, and which line of the log it is as new as.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CoordinationState {
    /// Sequence of the event after which the entity was like this.
    pub event_seq: u64,
    /// The record.
    #[serde(flatten)]
    pub record: Map<String, Value>,
}

/// What is at a key.
#[derive(Debug, Clone, PartialEq)]
pub struct Revised {
    /// The record; `None` when it was deleted.
    pub state: Option<CoordinationState>,
    /// The revision of the last write, deletions included: what the next one must name.
    pub revision: u64,
}

/// Why a record was not stored or read.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The revision is not the last one: somebody else wrote since it was read.
    #[error("{key} was written by somebody else since; read it again")]
    Stale {
        /// The key's subject.
        key: String,
        /// The revision that it has now, where the server says so.
        revision: Option<u64>,
    },
    /// What is there is no such record.
    #[error("{key} holds no record of the coordinator: {reason}")]
    Unreadable {
        /// The key's subject.
        key: String,
        /// Its revision.
        revision: u64,
        /// What is wrong.
        reason: String,
    },
    /// The bus did not answer, or refused. A write may have happened all the same.
    #[error(transparent)]
    Bus(LeaseError),
}

/// Where the coordinator keeps records that others look up: a bucket, or a model of one.
pub trait CoordinationRepository: Send + Sync {
    /// Stores a record if `revision` is the key's last one (0: if nothing was ever there), and returns the new revision.
    ///
    /// # Errors
    /// [`StateError::Stale`] when somebody else was faster.
    fn store_coordination_state(
        &self,
        bucket: Bucket,
        key: &str,
        state: &CoordinationState,
        revision: u64,
    ) -> impl Future<Output = Result<u64, StateError>> + Send;

    /// Reads a record; `None` when nothing was ever there.
    ///
    /// # Errors
    /// When there is no answer, or what is there is something else.
    fn retrieve_coordination_state(
        &self,
        bucket: Bucket,
        key: &str,
    ) -> impl Future<Output = Result<Option<Revised>, StateError>> + Send;
}

/// The buckets of a hive on a bus.
#[derive(Debug, Clone)]
pub struct Repository<B> {
    bus: B,
    hive: Hive,
}

/// What became of a record that was to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// It is there, with this revision.
    Stored(u64),
    /// One of the same or of a later event is there, with this revision.
    Newer(u64),
}

impl Settled {
    /// The key's last revision.
    pub const fn revision(self) -> u64 {
        match self {
            Self::Stored(revision) | Self::Newer(revision) => revision,
        }
    }
}

impl<B: Bus> Repository<B> {
    /// The buckets of `hive` on `bus`.
    pub const fn new(bus: B, hive: Hive) -> Self {
        Self { bus, hive }
    }

    /// Has a record be there, unless one of the same or of a later event is: of two writers the one that knows more wins,
    /// whoever comes first. `known` is the last revision, as far as that is known. With `force` it replaces whatever is
    /// there: the log was made anew, so that its numbers say nothing.
    ///
    /// # Errors
    /// When there is no answer, or others never stop writing.
    pub async fn settle(
        &self,
        (bucket, key): (Bucket, &str),
        state: &CoordinationState,
        known: Option<u64>,
        force: bool,
    ) -> Result<Settled, StateError> {
        let mut revision = known.unwrap_or(0);
        for _ in 0..ROUNDS {
            match self.store_coordination_state(bucket, key, state, revision).await {
                Ok(revision) => return Ok(Settled::Stored(revision)),
                Err(StateError::Stale { .. }) => {}
                Err(error) => return Err(error),
            }
            revision = match self.retrieve_coordination_state(bucket, key).await {
                Ok(None) => 0,
                Ok(Some(there)) => {
                    let newer = there
                        .state
                        .is_some_and(|there| there.event_seq >= state.event_seq);
                    if newer && !force {
                        return Ok(Settled::Newer(there.revision));
                    }
                    there.revision
                }
                // Whatever it is, it is none of ours.
                Err(StateError::Unreadable { revision, .. }) => revision,
                Err(error) => return Err(error),
            };
        }
        Err(StateError::Stale {
            key: self.place(bucket, key).subject,
            revision: None,
        })
    }

    fn place(&self, bucket: Bucket, key: &str) -> LeaseRef {
        LeaseRef {
            stream: bucket.stream_name(&self.hive),
            subject: bucket.subject_of(&self.hive, key),
        }
    }
}

impl<B: Bus> CoordinationRepository for Repository<B> {
    async fn store_coordination_state(
        &self,
        bucket: Bucket,
        key: &str,
        state: &CoordinationState,
        revision: u64,
    ) -> Result<u64, StateError> {
        let place = self.place(bucket, key);
        // Plain data with text keys is always encoded.
        let value = serde_json::to_vec(state).map(Bytes::from).unwrap_or_default();
        match self.bus.lease_write(&place, value, revision).await {
            Ok(revision) => Ok(revision),
            Err(LeaseError::Conflict { subject, last }) => Err(StateError::Stale {
                key: subject,
                revision: last,
            }),
            Err(error) => Err(StateError::Bus(error)),
        }
    }

    async fn retrieve_coordination_state(
        &self,
        bucket: Bucket,
        key: &str,
    ) -> Result<Option<Revised>, StateError> {
        let place = self.place(bucket, key);
        let Some(record) = self.bus.lease_read(&place).await.map_err(StateError::Bus)? else {
            return Ok(None);
        };
        let revision = record.seq;
        if record.value.is_empty() {
            let state = None; // A deletion.
            return Ok(Some(Revised { state, revision }));
        }
        match serde_json::from_slice(&record.value) {
            Ok(state) => Ok(Some(Revised {
                state: Some(state),
                revision,
            })),
            Err(error) => Err(StateError::Unreadable {
                key: place.subject,
                revision,
                reason: error.to_string(),
            }),
        }
    }
}
