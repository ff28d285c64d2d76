//! The sidecar's decisions, without IO, clock or randomness.
//!
//! One [`machine::Sidecar`] per process. The shell tells it what happened ([`event::Event`]) and when ([`now::Now`]); it
//! writes what must survive a crash through the [`journal::Journal`] it is handed, and returns what shall be done
//! ([`effect::Effect`]). Results of effects come back as events.
//!
//! | part | responsibility |
//! |---|---|
//! | [`spool`] | bytes of the log: segments, records, damage |
//! | [`record`], [`journal`] | what a record means, and how one is appended |
//! | [`ledger`] | the fold of all records: what was sent, handed over, settled |
//! | [`lanes`] | which lane takes the next turn |
//! | [`wake`] | which lanes may have mail, and when to look |
//! | [`outbox`] | order, window and retry of publishes |
//! | [`inbox`] | slots, readers, hand-overs, leases of messages |
//! | [`settle`] | acks and naks until the server confirmed them |
//! | [`fence`] | the agent's lease: may this process hand anything over |
//! | [`command`] | commands about tasks, as they are asked for |
//! | [`receipt`] | receipts made and taken |
//! | [`control`] | pause and halt: the last word of the operator, by scope |
//! | [`text`] | the grammar of programs that speak no JSON |
//! | [`terminal`] | what may be typed into a pane, when, and whether it arrived |
//! | [`explain`] | where a message stands, in one sentence |
//! | [`machine`] | routes events to the parts above; owns no rule of its own |

pub mod caller;
pub mod command;
pub mod context;
pub mod control;
pub mod effect;
pub mod event;
pub mod explain;
pub mod fence;
pub mod inbox;
pub mod journal;
pub mod lanes;
pub mod ledger;
pub mod machine;
pub mod now;
pub mod outbox;
pub mod receipt;
pub mod record;
pub mod settle;
pub mod spool;
pub mod terminal;
pub mod text;
pub mod wake;
