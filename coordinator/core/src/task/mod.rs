//! The machine of tasks (TASKS 2): which event leads from which state to which, who may cause it, and what follows.

pub mod ask;
mod configure;
pub mod decide;
pub mod holder;
pub mod reply;
#[cfg(test)]
pub(crate) mod rig;
mod scribe;
pub mod submit;
pub mod table;
#[cfg(test)]
mod tests;
pub mod timer;

pub use ask::{Ask, Asked};
pub use decide::decide;
pub use scribe::{FreshIds, Scribe};
