//! The task router: which agent gets which task, and why.
//!
//! [`assign()`] takes the ready tasks ([`Job`]), the agents ([`Candidate`]) and the time, and returns who gets what now,
//! each with an
//! [`Explanation`](wagglebus_schemas::task_api::Explanation). It is called at each event that may change the answer: a task becomes ready, ends or is
//! given back, an agent comes, goes or changes. It keeps nothing between calls and is not told what it did before: what
//! it assigned comes back as load of the candidate.
//!
//! ```text
//! jobs ── urgency (order, with ageing) ──┐
//!                                        ├─ filter ─ score ─ plan ── one job at a time: six strategies
//! candidates ─ desk (what is left) ──────┘                   └───── batch ─ lsap: `intelligent`, all at once
//! outcomes ─ estimate (success, pace) ─► candidates
//! ```
//!
//! No strategy sends work to an agent that has no free slot: a waiting task stays where a better agent can still take it,
//! and an assignment would only time out before it is accepted. Same input, same answer; ties go to the lower id.

pub mod backlog;
mod batch;
pub mod candidate;
mod desk;
pub mod estimate;
pub mod filter;
pub mod job;
pub mod lsap;
pub mod params;
mod plan;
mod score;
mod skill;
mod urgency;

pub use backlog::Backlog;
pub use candidate::{Ability, Candidate, Health, Resource};
pub use estimate::{Estimates, Outcome};
pub use filter::WhyNot;
pub use job::{Job, Resources};
pub use params::Params;
pub use plan::{Placement, assign, explain, overridden};
pub use skill::{Skill, Uniform};
