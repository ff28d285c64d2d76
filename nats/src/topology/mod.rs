//! What a hive needs on a server, as plain data: streams, buckets and the consumers of each agent.
//!
//! | question | answer |
//! |---|---|
//! | how much may it store | [`Sizing`] |
//! | which streams and buckets | [`streams`] |
//! | which consumers has an agent | [`agent_consumers`] |
//! | what is one exactly | [`StreamSpec`], [`ConsumerSpec`] |
//!
//! The data serialise to the JetStream API's own JSON, so that nothing of a configuration found on a server is lost
//! when it is compared ([`crate::plan`]) or updated ([`crate::provision`]). Names come from
//! `wagglebus_schemas::stream`, subjects from DESIGN 3.3, settings from TOPOLOGY 3.

mod consumer;
mod consumers;
mod sizing;
mod stream;
mod streams;

pub use consumer::{AckPolicy, ConsumerSpec, DeliverPolicy, ReplayPolicy};
pub use consumers::{agent_consumers, joined_key};
pub use sizing::{SERVER_RESERVE_BYTES, STORAGE_BYTES_MAX, STORAGE_BYTES_MIN, Sizing, SizingError};
pub use stream::{Discard, Nanos, Republish, Retention, Storage, StreamSpec};
pub use streams::streams;

/// Version of this topology. It is written into every stream's metadata and never lowered: a stream that says a higher
/// one belongs to a newer release and is left alone (DESIGN 9).
pub const VERSION: u32 = 1;

/// The metadata key that holds [`VERSION`].
pub const VERSION_KEY: &str = "wagglebus.topology";

/// How the metadata keys begin that are ours.
pub(crate) const OUR_KEYS: &str = "wagglebus.";

/// Metadata of everything that is created here.
fn metadata() -> std::collections::BTreeMap<String, String> {
    [(VERSION_KEY.to_owned(), VERSION.to_string())].into()
}
