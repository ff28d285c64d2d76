//! The log of events, and what it says: tasks, and how far everything was decided (ADR 0034).
//!
//! The log is the only truth of coordination. A leader decides by what the log says, appends what it decided, and takes
//! it for said at once; a standby reads the same lines and comes to the same state. Nothing here asks a clock.

pub mod crew;
pub mod data;
pub mod ended;
pub mod entry;
mod error;
pub mod index;
mod kept;
pub mod letter;
mod lookup;
#[cfg(test)]
mod lookup_tests;
pub mod packed;
pub mod places;
pub mod post;
pub mod practice;
pub mod retain;
#[cfg(test)]
mod retain_tests;
pub mod settings;
pub mod snapshot;
#[cfg(test)]
mod tests;
pub mod world;

pub use crew::Crew;
pub use data::TaskData;
pub use entry::TaskEntry;
pub use error::FoldError;
pub use index::{Entity, Index};
pub use letter::Letter;
pub use places::Source;
pub use settings::Settings;
pub use world::World;
