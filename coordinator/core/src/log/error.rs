//! Lines of the log that cannot be folded.

/// Why a line of the log cannot be folded. The state is then as it was before.
#[derive(Debug, thiserror::Error)]
pub enum FoldError {
    /// A line out of its turn.
    #[error("event {seq} comes after {last}")]
    Order {
        /// Its sequence in the stream.
        seq: u64,
        /// The last one that was folded.
        last: u64,
    },
    /// Its data, its state or its entity is not what this program writes.
    #[error("event {seq} about {entity} cannot be read: {reason}")]
    Unreadable {
        /// Its sequence in the stream.
        seq: u64,
        /// What it is about.
        entity: String,
        /// What is wrong.
        reason: String,
    },
}
