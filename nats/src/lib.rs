//! Placeholder heading; replaced by the crate guide.

pub mod conf;
pub mod connect;
pub mod keys;
pub mod plan;
pub mod private_file;
pub mod provision;
pub mod server;
pub mod topology;
