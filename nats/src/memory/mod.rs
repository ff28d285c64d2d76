//! The bus in memory: a model of what we rely on in JetStream, and no more.
//!
//! [`Model`] is pure: time is an argument, and the same calls always give the same answers, so a simulation can drive
//! it. [`Memory`] is a [`Bus`](crate::bus::Bus) around one model; its clock is tokio's, which tests pause, and it can be
//! told to lose things ([`Fault`]).
//!
//! Modelled: order per stream, publish acks, deduplication by id, compare-and-set, bounds with both discard policies,
//! ages, wakes; appends of several lines, all or none, at one place of the stream; consumers with filters, `ack_wait`, NAK with and without delay, `max_deliver`, `max_ack_pending`, ack
//! floor and counts. Both buses pass one suite (`tests/tests/all/conformance`); where they disagree, the model is wrong.

mod append;
mod bus;
mod consumer;
mod fault;
mod filter;
mod model;
mod stream;

pub use bus::{Memory, MemoryNotes};
pub use fault::Fault;
pub use model::{Model, Pulled};
