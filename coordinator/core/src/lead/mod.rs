//! Who leads, and what the leader does.
//!
//! Leading is not held by the lease but by the log: each append names the whole log's last sequence, so that of two who
//! think they lead only one is heard (ADR 0034). The lease only says who tries.

mod alerting;
mod bound;
pub mod coordination;
mod duty;
pub mod election;
mod heard;
#[cfg(test)]
mod hearing_tests;
#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod incomplete_tests;
mod keep;
mod muster;
pub mod order;
pub mod part;
mod post;
mod renewed;
pub(crate) mod round;
mod take;
#[cfg(test)]
mod tests;
mod unreadable;
pub mod view;
#[cfg(test)]
mod view_tests;
mod waits;

pub use coordination::Coordination;
pub use election::Election;
pub use order::{Announced, Appended, Desk, News, Noted, Order, Place, Row, Told};
pub use part::Lead;
pub use renewed::Shortened;
pub(crate) use round::health;
#[cfg(test)]
pub(crate) use round::{job, placements};
pub use unreadable::{Record, Unreadable};
