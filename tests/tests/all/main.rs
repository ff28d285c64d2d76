//! All integration tests in one binary: one link instead of many.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod alerts;
mod api;
mod cli;
mod commands;
mod company;
mod conformance;
mod control;
mod demo;
mod dlq;
mod documented;
mod faults;
mod feed;
mod fleet_api;
mod hostile;
mod ledger;
mod messages;
mod program;
mod protocol;
mod queue;
mod roster;
mod store;
mod tasks;
mod tidy;
mod tmux;
mod torture;
