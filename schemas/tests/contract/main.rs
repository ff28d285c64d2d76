//! The contract's tests: what is checked in is what the types say, and both mean the same.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod agreement;
mod compat;
mod documented;
mod files;
mod fixtures;
mod golden;
mod inclusion;
mod round_trip;
mod subjects;
mod wire;
