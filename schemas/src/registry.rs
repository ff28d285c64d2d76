//! The registry: one line for each type of record: its name, where it travels, who writes it, its bounds and schemas.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::agent::Agent;
use crate::alert::Alert;
use crate::api::{InboxItem, Trace};
use crate::command::Command;
use crate::control::Control;
use crate::conversation::Conversation;
use crate::dead_letter::DeadLetter;
use crate::decode::{self, DecodeError};
use crate::draft::Draft;
use crate::enrolment::Enrolment;
use crate::error::ErrorBody;
use crate::event::Event;
use crate::failure::Failure;
use crate::family::Family;
use crate::heartbeat::Heartbeat;
use crate::lease::Lease;
use crate::limits::{ACCOUNT_PAYLOAD_BYTES_MAX, LINE_BYTES_MAX, MESSAGE_BYTES_MAX};
use crate::message::Message;
use crate::receipt::Receipt;
use crate::stream::Bucket;
use crate::task::{Task, TaskDraft};

/// Where a type of record travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// As the payload under these subjects.
    Subjects(&'static [Family]),
    /// As the value of an agent's key.
    Bucket(Bucket),
    /// As the answer, or a part of it, of the API on NATS and of the local API.
    Answer,
    /// Between an agent and its own sidecar only.
    Local,
}

/// A type of record.
#[derive(Debug, Clone, Copy)]
pub struct RecordType {
    /// Its name: of the schema's file, the fixtures' folder and in error messages.
    pub name: &'static str,
    /// Where it travels.
    pub place: Place,
    /// Who writes it.
    pub writer: &'static str,
    /// Longest encoded form that is read.
    pub bytes_max: usize,
    accepted: fn() -> Value,
    produced: Option<fn() -> Value>,
    recode: fn(&Self, &[u8]) -> Result<Value, DecodeError>,
}

/// Every type of record.
pub const RECORD_TYPES: &[RecordType] = &[
    RecordType {
        recode: |_, bytes| encode("message", &decode::message_body(bytes)?),
        ..RecordType::new::<Message>(
            "message",
            Place::Subjects(&[Family::Message, Family::Room]),
            "the sender's sidecar",
            MESSAGE_BYTES_MAX,
        )
    },
    RecordType {
        recode: |_, bytes| encode("draft", &decode::draft(bytes)?),
        ..RecordType::new::<Draft>("draft", Place::Local, "an agent", LINE_BYTES_MAX)
    },
    RecordType::new::<Receipt>(
        "receipt",
        Place::Subjects(&[Family::Receipt]),
        "the recipient's sidecar, or the coordinator",
        ACCOUNT_PAYLOAD_BYTES_MAX,
    ),
    RecordType::new::<Heartbeat>(
        "heartbeat",
        Place::Subjects(&[Family::Heartbeat]),
        "each sidecar",
        ACCOUNT_PAYLOAD_BYTES_MAX,
    ),
    RecordType::new::<Agent>("agent", Place::Answer, "the coordinator", LINE_BYTES_MAX),
    RecordType::new::<Enrolment>(
        "enrolment",
        Place::Bucket(Bucket::Enrolments),
        "whoever holds the admin credential",
        ACCOUNT_PAYLOAD_BYTES_MAX,
    ),
    RecordType::new::<Lease>(
        "lease",
        Place::Bucket(Bucket::Leases),
        "the agent's sidecar",
        ACCOUNT_PAYLOAD_BYTES_MAX,
    ),
    RecordType::new::<DeadLetter>(
        "dead_letter",
        Place::Subjects(&[Family::Dlq]),
        "the recipient's sidecar",
        ACCOUNT_PAYLOAD_BYTES_MAX,
    ),
    RecordType::new::<Failure>(
        "failure",
        Place::Subjects(&[Family::Report]),
        "the sidecar that failed",
        ACCOUNT_PAYLOAD_BYTES_MAX,
    ),
    RecordType::new::<TaskDraft>(
        "task_draft",
        Place::Subjects(&[Family::Task]),
        "the submitter's sidecar",
        ACCOUNT_PAYLOAD_BYTES_MAX,
    ),
    RecordType::new::<Command>(
        "command",
        Place::Subjects(&[Family::Task]),
        "the sidecar of whoever asks",
        ACCOUNT_PAYLOAD_BYTES_MAX,
    ),
    RecordType::new::<Task>("task", Place::Answer, "the coordinator", LINE_BYTES_MAX),
    RecordType::new::<Event>(
        "event",
        Place::Subjects(&[Family::Event]),
        "the leading coordinator",
        LINE_BYTES_MAX,
    ),
    RecordType::new::<Control>(
        "control",
        Place::Subjects(&[Family::Control]),
        "the leading coordinator",
        ACCOUNT_PAYLOAD_BYTES_MAX,
    ),
    RecordType::new::<Alert>("alert", Place::Answer, "the coordinator", LINE_BYTES_MAX),
    RecordType::new::<Conversation>(
        "conversation",
        Place::Local,
        "the agent's sidecar",
        LINE_BYTES_MAX,
    ),
    RecordType::new::<ErrorBody>("error", Place::Answer, "every program", LINE_BYTES_MAX),
    // These two carry the message as published, which may be a foreign one: nothing narrower can be promised.
    RecordType {
        produced: None,
        ..RecordType::new::<InboxItem>("inbox_item", Place::Local, "the agent's sidecar", LINE_BYTES_MAX)
    },
    RecordType {
        produced: None,
        ..RecordType::new::<Trace>("trace", Place::Local, "the sender's sidecar", LINE_BYTES_MAX)
    },
];

impl RecordType {
    const fn new<T: JsonSchema + Serialize + DeserializeOwned>(
        name: &'static str,
        place: Place,
        writer: &'static str,
        bytes_max: usize,
    ) -> Self {
        Self {
            name,
            place,
            writer,
            bytes_max,
            accepted: accepted::<T>,
            produced: Some(produced::<T>),
            recode: |this, bytes| encode(this.name, &decode::record::<T>(this.name, bytes, this.bytes_max)?),
        }
    }

    /// The record type of a name.
    pub fn find(name: &str) -> Option<&'static Self> {
        RECORD_TYPES.iter().find(|record_type| record_type.name == name)
    }

    /// Reads bytes as this record and gives what we would write.
    ///
    /// # Errors
    /// See [`DecodeError`].
    pub fn recode(&self, bytes: &[u8]) -> Result<Value, DecodeError> {
        (self.recode)(self, bytes)
    }

    /// What schemars derives for reading it.
    pub(crate) fn accepted(&self) -> Value {
        (self.accepted)()
    }

    /// What schemars derives for writing it; `None` where nothing narrower than what is read can be promised.
    pub(crate) fn produced(&self) -> Option<Value> {
        self.produced.map(|produced| produced())
    }
}

fn encode<T: Serialize>(record: &'static str, value: &T) -> Result<Value, DecodeError> {
    serde_json::to_value(value).map_err(|e| DecodeError::Record {
        record,
        reason: e.to_string(),
    })
}

fn accepted<T: JsonSchema>() -> Value {
    derive::<T>(settings().for_deserialize())
}

fn produced<T: JsonSchema>() -> Value {
    derive::<T>(settings().for_serialize())
}

/// The draft is chosen here and nowhere else; without references each schema can be read and used alone.
fn settings() -> SchemaSettings {
    SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true)
}

fn derive<T: JsonSchema>(settings: SchemaSettings) -> Value {
    settings.into_generator().into_root_schema_for::<T>().to_value()
}
