//! Placeholder heading; replaced by the crate guide.

pub mod server;
