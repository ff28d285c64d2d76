//! Alerts: what a person should know of, told once when it begins and once when it is over (ADR 0045).
//!
//! ```text
//! roster, world, looks ─ agents, tasks ─► Seen ─ watch ─► fire, resolve ─► lines of the log ─► fold ─► Alerts
//!                                                                              │ once stored
//!                                                                              └─► letter to the operator, sinks
//! ```
//!
//! Rules are data ([`rule`]); whether one holds is read off what the coordinator knows anyway ([`agents`], [`tasks`]). A
//! rule and what it is about are quiet, pending, firing and resolved again. Only what was told is in the log: a successor
//! goes on from there, neither tells it again nor forgets that it is to be resolved.

pub mod agents;
pub mod fold;
pub mod letter;
pub mod line;
#[cfg(test)]
mod many_tests;
pub mod order;
pub mod plan;
pub mod rule;
pub mod seen;
pub mod senses;
#[cfg(test)]
mod senses_tests;
pub mod tasks;
#[cfg(test)]
mod tests;
pub mod trouble;
pub mod watch;

pub use fold::{Alerts, Told};
pub use order::{AlertNews, AlertOrder};
pub use rule::{Rule, Settings};
pub use seen::{Key, Seen, Sighting};
pub use senses::Senses;
