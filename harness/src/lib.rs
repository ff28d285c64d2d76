//! Tools for tests and benchmarks: a real nats-server per test ([`server`]), a whole hive per test ([`bus`]).
//!
//! Not published. Whatever is started here ends with the program that started it.

pub mod bus;
pub mod server;
