//! What the coordinator decides, without doing it: who is there, and who is meant by an address.
//!
//! No tokio, no NATS client, no clock, no randomness. The shell turns what happens into an [`Event`], gives it to
//! [`Machine::step`] together with the time, and carries out the [`Effect`]s:
//!
//! ```text
//! bytes ─ inbound ─► Event ─► Machine::step(now) ─► Vec<Effect>
//!                                │
//!              roster (a fold) ──┼── liveness, steady (one agent) ── attention (the clock that judges it)
//!              resolve ── capability, similar; detail (all that is known of an agent)
//!              api, query (requests to answers), rooms, holds (mail that does not move), expiry
//! ```
//!
//! [`fsm`] holds the machines of agents and of the hive (ADR-0040).
//!
//! [`reserve`] is what the held tasks take of their agents' resources: derived, never booked.
//!
//! Two parts stand by themselves: [`assign`], which agent gets which task and why (ADR-0038, ADR-0039), and [`feed`], what
//! readers of the live feed are shown, and from where on (ADR-0044).
//!
//! The roster is a fold of three inputs: enrolment records say who exists, heartbeats say who lives, the server's
//! notices say who lost its connection. Nothing of it is stored; a restarted coordinator knows all of it again after
//! one listing and one heartbeat interval (ADR-0009).

pub mod alert;
mod alerts;
pub mod api;
pub mod assign;
pub mod attention;
pub mod capability;
pub mod detail;
pub mod effect;
pub mod event;
pub mod expiry;
pub mod feed;
pub mod fsm;
pub mod holds;
pub mod inbound;
pub mod lead;
pub mod liveness;
pub mod log;
pub mod machine;
pub mod order;
mod pairs;
pub mod query;
mod reads;
mod recalls;
pub mod reserve;
pub mod resolve;
pub mod rooms;
pub mod roster;
pub mod similar;
pub mod steady;
pub mod task;
pub mod tasks;
mod unknown;

pub use attention::Now;
pub use effect::{Effect, Reply};
pub use event::{Event, Request};
pub use machine::Machine;
pub use order::ReplyTo;
pub use task::FreshIds;
