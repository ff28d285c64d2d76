//! Who asked: names that the shell gives to those whom effects are for.

/// Names a request of the agent that waits for an answer; chosen by the shell, used once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

/// Names a stream reader (the child on stdio, an SSE connection); chosen by the shell, used once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReaderId(pub u64);
