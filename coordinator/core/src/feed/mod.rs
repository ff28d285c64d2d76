//! The live feed of the fleet: what its readers are shown, and from where on (ADR-0044).
//!
//! ```text
//! three streams ─ item ─► ring (the latest, for all readers) ─ filter ─► frame
//!                    └─ merge (what is older, for one reader) ─┘
//! ```
//!
//! A [`Position`] says how far each stream was read. Every coordinator reads the same streams, so a position that one of
//! them gave is good at every other one: the feed goes on behind it without a gap and without doubles. Within a stream
//! everybody sees the same order; between streams only what is older is put in the order of time.

mod filter;
pub mod frame;
mod item;
mod kind;
mod merge;
mod op;
mod position;
mod resume;
mod ring;
#[cfg(test)]
mod tests;

pub use filter::{Ask, Filter, View};
pub use item::{Item, Record, Unreadable, read};
pub use kind::of_log;
pub use merge::{Head, Merge};
pub use op::{Op, Request};
pub use position::{Position, PositionError, Source};
pub use resume::{Gap, GapReason, Kept, resume};
pub use ring::{Behind, Bounds, Place, Ring};
