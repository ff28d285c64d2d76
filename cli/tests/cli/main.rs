//! The command line as its users run it: the binary, against scripted sidecars and real servers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod alone;
mod fake;
mod history;
mod home;
mod messages;
mod observe;
mod tasks;
mod up;
