//! Tools for tests and benchmarks. Not published; whatever is started here ends with the program that started it.
//!
//! | question | answer |
//! |---|---|
//! | a real nats-server for one test? | [`server`] |
//! | with accounts, keys, streams and enrolled agents? | [`bus`] |
//! | with sidecars and a coordinator, all as real processes? | [`fleet`] |
//! | what happened in a run, and was it right? | [`ledger`], [`checker`] |
//! | senders and receivers? | [`load`] |
//! | processes struck on a schedule? | [`faults`] |
//! | the same run again? | [`rng`] |
//! | do the promises hold when much goes wrong? | [`torture`] |
//! | what does a coordinator's live feed show? | [`feed`] |
//! | how fast, beside direct NATS? | [`bench`] |

pub mod bench;
pub mod bus;
pub mod checker;
pub mod faults;
pub mod feed;
pub mod fleet;
pub mod ledger;
pub mod load;
pub mod rng;
pub mod server;
mod terminal;
pub mod torture;
