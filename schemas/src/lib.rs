//! The contract of wagglebus: what travels on the bus, under which names, and who may say what.
//!
//! Everything here is plain data: no tokio, no NATS client, no clock, no randomness. Programs in other languages use
//! the JSON Schemas generated from these types (`schemas/json/v1/`); `docs/protocol.md` is the prose beside them.
//!
//! | area | modules |
//! |---|---|
//! | names that are parsed once and then trusted | [`id`], [`address`], [`hive`], [`number`] |
//! | small closed vocabularies | [`priority`], [`level`], [`reason`], [`bridge`], [`state`] |
//! | records on the wire | [`message`], [`draft`], [`receipt`], [`heartbeat`], [`resources`], [`agent`], [`agent_detail`], [`enrolment`], [`lease`], [`dead_letter`], [`failure`], [`conversation`], [`task`], [`command`], [`control`], [`notice`], [`event`], [`alert`], [`feed`], [`error`], [`api`], [`task_api`], [`fsm_api`] |
//! | pages of lists | [`page`] |
//! | where local programs meet | [`places`] |
//! | where records travel | [`subject`], [`family`], [`headers`], [`stream`], [`permission`] |
//! | how bytes become records | [`strict_json`], [`decode`], [`limits`], [`time`] |
//! | what other programs build on | [`registry`], [`generate`] |
//!
//! # Evolution
//!
//! Within a major version fields are only added and are optional; names are never re-used or re-typed; closed
//! vocabularies are never widened. Unknown fields are ignored by readers, and whoever forwards a record forwards its
//! original bytes. What we emit may be narrower than what we accept: such types have a second, `.produced.json` schema.

pub mod address;
pub mod agent;
pub mod agent_detail;
pub mod alert;
pub mod alert_settings;
pub mod api;
mod bounds;
pub mod bridge;
pub mod command;
pub mod control;
pub mod conversation;
pub mod dead_letter;
pub mod decode;
pub mod draft;
mod encoded;
pub mod enrolment;
pub mod error;
pub mod event;
pub mod failure;
pub mod family;
pub mod feed;
pub mod fsm_api;
pub mod generate;
pub mod headers;
pub mod heartbeat;
pub mod hive;
pub mod id;
pub mod lease;
pub mod level;
pub mod limits;
pub mod message;
mod newtype;
pub mod notice;
pub mod number;
pub mod page;
pub mod permission;
pub mod places;
pub mod priority;
pub mod reason;
pub mod receipt;
pub mod registry;
pub mod resources;
mod shape;
pub mod state;
pub mod stream;
pub mod strict_json;
pub mod subject;
pub mod task;
pub mod task_api;
pub mod time;
mod vocabulary;

pub use address::Recipient;
pub use bounds::{TooLong, depth};
pub use command::Command;
pub use draft::Draft;
pub use error::{ErrorBody, ErrorCode};
pub use hive::Hive;
pub use id::{AgentId, CapabilityName, Id, RoomName};
pub use level::Level;
pub use message::Message;
pub use priority::Priority;
pub use resources::Resources;
pub use task::{Task, TaskDraft};
pub use time::Timestamp;
pub use vocabulary::UnknownWord;
