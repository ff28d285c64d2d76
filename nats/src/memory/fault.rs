//! What can be made to go wrong.

/// Something to be lost, once, at the next call that it fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A publish is not stored, and its ack never comes.
    Publish,
    /// A publish is stored, but its ack never comes.
    PubAck,
    /// A settlement does not arrive.
    Settle,
    /// A settlement arrives, but its confirmation never comes.
    Confirmation,
    /// A message is handed over and counted, but reaches nobody: a stopped server that goes on later does this.
    HandOver,
    /// A message is handed over when its caller has stopped waiting.
    LateHandOver,
}
