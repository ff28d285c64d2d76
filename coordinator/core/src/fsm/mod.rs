//! The machines of agents and of the hive (TASKS 4): their tables, what signs lead to which event, and what is told of them.
//!
//! ```text
//! heartbeats, presence ─► derive ─┐
//! events of tasks ───────────────┼─► agent, swarm (tables) ─► write ─► the log ─► crew (its fold)
//! commands ──────────► control ───┘                                        └─► index ─► query
//! ```

pub mod agent;
pub mod control;
pub mod derive;
#[cfg(test)]
mod graph;
pub mod legacy;
pub mod past;
pub mod query;
pub mod swarm;
pub mod write;

/// Where an event leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<S> {
    /// To this state; where it is the present one, something is remembered for later.
    To(S),
    /// It has happened already.
    Unchanged,
    /// Nowhere: it cannot happen here.
    Illegal,
}
