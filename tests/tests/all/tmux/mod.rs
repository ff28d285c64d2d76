//! Messages into real panes of a real tmux: nothing outside of a frame, one submit each, and nothing where it is not safe.

mod bodies;
mod clients;
mod crashes;
pub(crate) mod heartbeats;
mod holds;
mod nudges;
mod output;
pub(crate) mod stage;
mod starts;
mod targets;
