//! NATS header names, spelled exactly once (header names are case-preserving, ADR-4 of NATS).

use crate::{AgentId, Hive, Id, Timestamp};

/// Deduplication id of a publish; always the record's own id.
pub const MSG_ID: &str = "Nats-Msg-Id";
/// Refuses the publish unless the stream behind the subject has this name.
pub const EXPECTED_STREAM: &str = "Nats-Expected-Stream";
/// Refuses the publish unless the stream's last sequence is this: what nobody wrote in between is all that is stored.
pub const EXPECTED_LAST_SEQUENCE: &str = "Nats-Expected-Last-Sequence";
/// Names the atomic batch that a publish is part of (ADR-50 of NATS).
pub const BATCH_ID: &str = "Nats-Batch-Id";
/// Number of a publish in its atomic batch, from 1.
pub const BATCH_SEQUENCE: &str = "Nats-Batch-Sequence";
/// Ends an atomic batch: all of it is stored, or nothing.
pub const BATCH_COMMIT: &str = "Nats-Batch-Commit";
/// Refuses the publish unless the subject's last sequence is this (compare and set).
pub const EXPECTED_LAST_SUBJECT_SEQUENCE: &str = "Nats-Expected-Last-Subject-Sequence";
/// CloudEvents version.
pub const CE_SPECVERSION: &str = "ce-specversion";
/// CloudEvents id; the record's id.
pub const CE_ID: &str = "ce-id";
/// CloudEvents type, `io.wagglebus.<category>.v1.<name>`.
pub const CE_TYPE: &str = "ce-type";
/// CloudEvents source, `/<hive>/<from>`.
pub const CE_SOURCE: &str = "ce-source";
/// CloudEvents subject; a message's `to_agent`.
pub const CE_SUBJECT: &str = "ce-subject";
/// CloudEvents time; the record's timestamp.
pub const CE_TIME: &str = "ce-time";
/// W3C trace context.
pub const TRACEPARENT: &str = "traceparent";
/// Text of a micro service error.
pub const SERVICE_ERROR: &str = "Nats-Service-Error";
/// Code of a micro service error.
pub const SERVICE_ERROR_CODE: &str = "Nats-Service-Error-Code";

/// The CloudEvents version that we write.
pub const CE_SPECVERSION_VALUE: &str = "1.0";

/// What the CloudEvents headers of a record say.
#[derive(Debug, Clone, Copy)]
pub struct CloudEvent<'a> {
    /// The record's id.
    pub id: Id,
    /// Its type, `io.wagglebus.<category>.v1.<name>`.
    pub event_type: &'a str,
    /// Where it was said.
    pub hive: &'a Hive,
    /// By whom.
    pub from: &'a AgentId,
    /// When.
    pub at: Timestamp,
}

impl CloudEvent<'_> {
    /// The headers, with [`CE_SUBJECT`] where the record is addressed to somebody.
    pub fn fields(&self, to: Option<String>) -> Vec<(&'static str, String)> {
        let mut fields = vec![
            (CE_SPECVERSION, CE_SPECVERSION_VALUE.to_owned()),
            (CE_ID, self.id.to_string()),
            (CE_TYPE, self.event_type.to_owned()),
            (CE_SOURCE, format!("/{}/{}", self.hive, self.from)),
            (CE_TIME, self.at.to_string()),
        ];
        fields.extend(to.map(|to| (CE_SUBJECT, to)));
        fields
    }
}
