//! The coordinator's HTTP API (TASKS 6): the fleet, its tasks and messages, for programs with a token.
//!
//! A request passes the guard (who is called, from which page), then its route's access (token, ticket or neither), then
//! its handler. Questions are answered by the one machine; commands are stored, and answered by what the log says of them.

mod alerts;
mod ask;
mod auth;
mod control;
mod conversations;
mod feed;
mod guard;
mod health;
mod history;
mod index;
mod leading;
mod listen;
mod messages;
mod past;
mod query;
mod router;
mod scan;
mod serve;
mod sight;
mod state;
mod store;
mod tasks;
mod tickets;
mod ws;

pub(crate) use auth::{Auth, Rate};
pub(crate) use leading::{Place, follow};
pub(crate) use listen::{Listening, listen};
pub(crate) use past::Past;
pub(crate) use router::router;
pub(crate) use serve::serve;
pub(crate) use state::Api;
