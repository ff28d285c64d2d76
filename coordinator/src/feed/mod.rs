//! The live feed of the fleet: one reading of its streams, shown to any number of readers (ADR-0044).
//!
//! The [`Hub`] reads the streams while anybody looks, and keeps the latest records for all. A [`Reader`] has a place of its
//! own among them; what is no longer there it is given out of the streams, by a reading of its own.

mod hub;
mod past;
mod reader;
mod replay;
mod sse;
mod streams;

pub(crate) use hub::Hub;
pub(crate) use reader::{Happening, Reader, Shown};
pub(crate) use sse::events;
