//! Client of the local HTTP API of a sidecar (WIRE, Sidecar API), over its unix socket or over TCP.
//!
//! It knows neither NATS nor a server framework: whoever talks to a sidecar needs no more than this crate and
//! `wagglebus-schemas`.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use wagglebus_client::{Client, SendOptions};
//! use wagglebus_schemas::places::Places;
//! use wagglebus_schemas::{AgentId, Hive};
//!
//! let places = Places::from_env(Hive::default(), wagglebus_client::uid())?;
//! let client = Client::of_agent(&places, &AgentId::operator())?;
//! let draft = serde_json::from_str(r#"{"to_agent":"alice","content":"hello"}"#)?;
//! let answer = client.send(&draft, SendOptions::default()).await?;
//! println!("{} {}", answer.value.id, answer.value.level);
//! # Ok(())
//! # }
//! ```
//!
//! | question | answer |
//! |---|---|
//! | where is the sidecar of this agent, where is the bus? | [`discovery`] |
//! | which process is meant by a number, and does it run? | [`process`] |
//! | what can be asked of it? | [`Client`] |
//! | how do I send, receive and acknowledge for agents by their names? | [`AgentMessageQueue`] |
//! | what went wrong, and what is the exit code? | [`ClientError`] |

mod client;
mod connection;
pub mod discovery;
mod endpoint;
mod error;
mod exchange;
pub mod process;
mod query;
mod queue;

pub use client::{Client, Paging, SendOptions, Take};
pub use discovery::uid;
pub use endpoint::{Endpoint, Token};
pub use error::{Absence, ClientError};
pub use exchange::{Answered, RESPONSE_BYTES_MAX};
pub use queue::{AgentMessageQueue, QueueError, Received};
