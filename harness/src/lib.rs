//! Tools for tests and benchmarks: a real nats-server per test.
//!
//! Not published. Whatever is started here ends with the program that started it.

pub mod server;
