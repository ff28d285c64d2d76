//! The machine as a whole: step tests of each rule, and simulated worlds of several machines around a model server.

// A test picks what it awaits and is not interested in the rest.
#![allow(clippy::wildcard_enum_match_arm)]

mod burial;
mod commands;
mod controlling;
mod effects;
mod elsewhere;
mod fencing;
mod full_disk;
mod notices;
mod panes;
mod receipts;
mod receiving;
mod restart;
mod rig;
mod sending;
mod showing;
mod slots;
mod spool;
mod syncing;
mod world;
mod worlds;
