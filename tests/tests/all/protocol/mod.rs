//! Programs that were written from `docs/protocol.md` and the README of each example, against real sidecars.

mod examples;
mod page;
mod without_sidecar;
