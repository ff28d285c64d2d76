//! One connection to NATS, with every bound set and every event handled (RELIABILITY 1.5).
//!
//! [`connect`] returns a [`Connection`], which is cheap to clone, and its [`Events`].
//!
//! # Sessions
//!
//! Between a loss of the connection and the next one lies an end and a beginning: a [`Session`] is one stay of a client
//! on one server, and nothing outlives it. What was waiting for an answer fails at once with "disconnected", what was
//! queued and not yet written is dropped, reply inboxes are gone. The client library would instead keep its queue and
//! write it on the next connection: publishes that were queued would be stored before those that were lost on the wire
//! and are repeated later, and the order of a sender's messages would be wrong (ADR 0014). So each session has a client
//! of its own, and reconnecting is done here.
//!
//! Subscriptions ([`Subscription`]) are the exception: they are renewed in each session before it is announced.

mod backoff;
mod connection;
mod credentials;
mod denial;
mod dial;
mod error;
mod event;
mod session;
mod settings;
mod subscription;
mod supervise;

pub use connection::{Connection, connect};
pub use error::ConnectError;
pub use event::{Event, Events};
pub use session::{Server, Session};
pub use settings::{Credentials, JETSTREAM_API, Settings, TlsFiles};
pub use subscription::{Note, Subscription};

use std::time::Duration;

/// How often the server is asked whether it is there; after two unanswered pings the session ends (DESIGN 3.6).
pub const PING_EVERY: Duration = Duration::from_secs(3);
/// How long a connection to one address may take, TLS and login included.
pub const DIAL_WITHIN: Duration = Duration::from_secs(2);
/// How long a request waits for its answer, and a publish for its ack (DESIGN 3.6).
pub const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Longest wait between two attempts to connect. A server that is back is found within this time.
pub const RETRY_DELAY_MAX: Duration = Duration::from_secs(1);

/// What to say of a server that [is old](Server::is_old).
pub const OLD_SERVER: &str = "this nats-server is older than 2.14: a crash can cost a stream; upgrade it";

/// Commands that may wait for the socket. A full queue makes callers wait, each within its own time.
const QUEUED_COMMANDS_MAX: usize = 4096;
/// Messages that may wait in one subscription; more are dropped by the client and announced as [`Event::SlowConsumer`].
const QUEUED_MESSAGES_MAX: usize = 4096;
