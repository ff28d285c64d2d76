//! The HTTP bridge: the local API of a sidecar (WIRE, Sidecar API).
//!
//! A request goes through [`serve`] (connections), [`guard`] (who may speak), [`router`] (paths, metrics) into one
//! handler, which asks the event loop through the [`Gate`](crate::gate::Gate) and answers with what [`wagglebus_http`] has for both programs.
//!
//! | part | responsibility |
//! |---|---|
//! | [`open`], [`listen`], [`token`], [`guard`] | where it listens, and who may speak |
//! | [`serve`], [`router`] | connections and paths |
//! | [`flush`] | proof that a streamed event was written |
//! | [`seconds`], [`item`] | what goes in and out, beside [`wagglebus_http`] |
//! | [`messages`], [`history`] | sending, and what became of it |
//! | [`inbox`], [`stream`] | taking by long poll and by server-sent events |
//! | [`tasks`] | commands about tasks, and what the coordinator says of them |
//! | [`roster`], [`health`] | everything else |

mod alerts;
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
mod rooms;
mod roster;
mod router;
mod seconds;
mod serve;
mod state;
mod stream;
mod tasks;
mod token;
mod walk;
mod ws;

pub(crate) use listen::ListenError;
pub(crate) use open::open;
