//! The local API of real sidecars on a real bus, byte for byte as WIRE has it.

mod elsewhere;
mod guard;
mod history;
mod inbox;
mod outage;
mod poll;
mod raw;
mod refused;
mod send;
mod socket;
mod stream;
mod world;
