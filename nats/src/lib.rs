//! Placeholder heading; replaced by the crate guide.

pub mod conf;
pub mod context_file;
pub mod enrol;
pub mod keys;
pub mod plan;
pub mod private_file;
pub mod provision;
pub mod server;
pub mod topology;
