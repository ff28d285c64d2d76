//! Bridges: the ways in which the agent is reached. Each goes through the gate.

pub(crate) mod agent;
mod breaker;
pub(crate) mod http;
pub(crate) mod stdio;
pub(crate) mod tmux;
