//! `demo`: a bash program and a Python program exchange durable messages over a real bus, each step proven.
//!
//! | question | answer |
//! |---|---|
//! | where does everything happen, and what is left of it? | [`stage`] |
//! | which bus? | [`bus`] |
//! | who plays? | [`cast`] |
//! | what does the bus itself say? | [`watch`] |
//! | how far did each message come, what is missing? | [`board`] |
//! | do the sidecars say the same? | [`checks`] |
//! | what is told? | [`show`] |
//! | in which order, and how does it end? | [`play`] |

mod board;
mod bus;
mod cast;
mod checks;
pub(crate) mod play;
mod show;
mod stage;
mod watch;
