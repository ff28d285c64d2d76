//! `demo`: agents exchange durable messages over a real bus and work on tasks, one is killed, and each step is proven.
//!
//! | question | answer |
//! |---|---|
//! | where does everything happen, and what is left of it? | [`stage`] |
//! | which bus? | [`bus`] |
//! | who plays? | [`cast`]; in the second act also [`crew`], one of them in a [`pane`] |
//! | what does the bus itself say? | [`watch`] |
//! | how far did each message come, what is missing? | [`board`] |
//! | do the sidecars say the same? | [`checks`] |
//! | what became of each task, what is missing? | [`jobs`] |
//! | what is told? | [`show`] of messages, [`tell`] of tasks |
//! | in which order, and how does it end? | [`play`]; the second act: [`act`] |

mod act;
mod board;
mod bus;
mod cast;
mod checks;
mod crew;
mod jobs;
mod pane;
pub(crate) mod play;
mod show;
mod stage;
mod tell;
mod watch;
