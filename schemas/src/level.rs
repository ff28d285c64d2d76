//! Levels of delivery: how far a message has provably come.

use crate::vocabulary::vocabulary;

vocabulary! {
    /// How far a message has provably come (DESIGN 3.4). The order of the variants is the order of proof.
    Level, "delivery level" {
        /// Fsynced in the sender's spool.
        Accepted = "accepted",
        /// Acknowledged by the stream.
        Stored = "stored",
        /// Taken from the stream by the recipient's sidecar.
        Fetched = "fetched",
        /// Handed over to the agent by a bridge, which verified it.
        Injected = "injected",
        /// The agent itself gave a sign: lease ack, hook, MCP or JSONL ack.
        Seen = "seen",
        /// The agent finished with it, or replied.
        Done = "done",
    }
}

vocabulary! {
    /// What a receipt reports: a [`Level`] from `fetched` on, or one of the two states beside the ladder.
    ///
    /// It is the `<level>` token of a receipt's subject.
    ReceiptLevel, "receipt level" {
        /// Taken from the stream by the recipient's sidecar.
        Fetched = "fetched",
        /// Handed over to the agent by a bridge, which verified it.
        Injected = "injected",
        /// The agent itself gave a sign: lease ack, hook, MCP or JSONL ack.
        Seen = "seen",
        /// The agent finished with it, or replied.
        Done = "done",
        /// Not moving, with a reason; sent once per hold.
        Held = "held",
        /// Will never be delivered, with a reason.
        Dead = "dead",
    }
}

impl ReceiptLevel {
    /// The level of the ladder, `None` for `held` and `dead`.
    pub const fn level(self) -> Option<Level> {
        match self {
            Self::Fetched => Some(Level::Fetched),
            Self::Injected => Some(Level::Injected),
            Self::Seen => Some(Level::Seen),
            Self::Done => Some(Level::Done),
            Self::Held | Self::Dead => None,
        }
    }
}
