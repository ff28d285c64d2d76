//! Placeholder heading; replaced by the crate guide.

mod bound;
pub mod bus;
pub mod conf;
pub mod connect;
pub mod context_file;
pub mod delivery;
pub mod enrol;
pub mod error;
pub mod jetstream;
pub mod keys;
pub mod lease;
pub mod lost;
pub mod memory;
pub mod plan;
pub mod private_file;
pub mod provision;
pub mod request;
pub mod server;
pub mod topology;
