//! Everything in wagglebus that knows NATS exists.
//!
//! Sidecars and coordinators see a bus; which server stands behind it, how it is configured and who may do what on it is
//! the affair of this crate.
//!
//! | question | modules |
//! |---|---|
//! | what can be done on a bus | [`bus`] (the trait), [`delivery`], [`lease`], [`error`] |
//! | over NATS | [`connect`] (sessions), [`jetstream`] (the bus), [`request`], [`lost`], [`head`] |
//! | records of the coordinator | [`repository`]: by compare and set |
//! | without NATS | [`memory`]: a model that passes the same suite |
//! | where is the server, and who are we | [`context`] (stock contexts and `NATS_*`), [`config`] (our files), [`keys`] |
//! | what must exist on a server | [`topology`] (data), [`plan`] (pure), [`provision`] (does it) |
//! | for somebody else's server | [`export`] (files for its administrator), [`trust`] (what it vouches for) |
//! | who may do what | [`conf`] (the server's configuration), [`enrol`] (agents), [`context_file`] (the stock CLI) |
//! | who may use the coordinator's API, and where it is | [`api_tokens`], [`bus_file`] |
//! | the server itself | [`server`]: find, install, run, supervise |
//!
//! # Receiving
//!
//! Wait for a wake ([`bus::Bus::subscribe`]), fetch one message ([`bus::Bus::fetch`]), make durable what follows from
//! it, settle it ([`bus::Bus::settle`]). After [`connect::Event::Connected`] bring back what was lost
//! ([`lost::lost_hand_overs`]) and look into every lane once.
//!
//! # Sending
//!
//! [`bus::Bus::send`] in order, acks awaited as they come. At the first failure stop, await the rest, and begin again
//! at the first record without an ack, under the same ids ([`error::PublishError::retry`]).

pub mod api_tokens;
mod bound;
pub mod bus;
pub mod bus_file;
pub mod conf;
pub mod config;
pub mod connect;
pub mod context;
pub mod context_file;
pub mod delivery;
pub mod enrol;
pub mod error;
pub mod export;
pub mod head;
pub mod jetstream;
pub mod keys;
pub mod lease;
pub mod lost;
pub mod memory;
pub mod plan;
pub mod private_file;
pub mod provision;
pub mod repository;
pub mod request;
pub mod server;
pub mod topology;
pub mod trust;
