//! The HTTP bridge: the local API of a sidecar (WIRE, Sidecar API).
//!
//! A request goes through [`serve`] (connections), [`guard`] (who may speak), [`router`] (paths, metrics) into one
//! handler, which asks the event loop through the [`Gate`](crate::gate::Gate) and answers with [`answer`].
//!
//! | part | responsibility |
//! |---|---|
//! | [`open`], [`listen`], [`token`], [`guard`] | where it listens, and who may speak |
//! | [`serve`], [`router`] | connections and paths |
//! | [`flush`] | proof that a streamed event was written |
//! | [`query`], [`body`], [`answer`], [`item`] | what goes in and out |
//! | [`messages`], [`history`] | sending, and what became of it |
//! | [`inbox`], [`stream`] | taking by long poll and by server-sent events |
//! | [`tasks`] | commands about tasks, and what the coordinator says of them |
//! | [`roster`], [`health`] | everything else |

mod alerts;
mod answer;
mod body;
mod control;
mod conversations;
mod flush;
mod fsm;
mod guard;
mod health;
mod history;
mod inbox;
mod item;
mod listen;
mod messages;
mod open;
mod query;
mod rooms;
mod roster;
mod router;
mod serve;
mod state;
mod stream;
mod tasks;
mod token;
mod walk;
mod ws;

pub(crate) use listen::ListenError;
pub(crate) use open::open;
