//! The nats-server program: find it, install it, run it, keep it running.
//!
//! A server that somebody else runs (`--server`, `--context`, `NATS_URL`) is the caller's decision and never reaches
//! this module. For all others:
//!
//! | question | answer |
//! |---|---|
//! | which binary, and why not another one? | [`Search::resolve`] |
//! | none there: get one, checked | [`install()`] |
//! | start it, know that it is ready, signal it | [`Launch::start`], [`ServerProcess`] |
//! | is it well? | [`Monitor::health`] |
//! | keep it running | [`supervise()`]; the rules are in [`Watchdog`] |
//!
//! Everything listens on 127.0.0.1 only.

pub mod guard;
pub mod install;
mod log;
pub mod monitor;
pub mod ports;
pub mod probe;
pub mod process;
pub mod reload;
pub mod resolve;
pub mod supervise;
mod unpack;
pub mod version;
pub mod watchdog;
pub mod wheel;

pub use install::{InstallError, Installed, Progress, Source, install};
pub use monitor::{Health, Monitor};
pub use ports::Ports;
pub use process::{Launch, ServerProcess, StartError};
pub use reload::{ReloadError, reload};
pub use resolve::{Found, Origin, Resolution, ResolveError, Search};
pub use supervise::{Event, GaveUp, supervise};
pub use version::{PINNED, REFUSE_BELOW, ServerVersion, Suitability, WARN_BELOW};
pub use watchdog::{Limits, Watchdog};
