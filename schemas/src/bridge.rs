//! Bridges: the ways in which a sidecar reaches its agent, and what each can prove.

use crate::level::Level;
use crate::vocabulary::vocabulary;

vocabulary! {
    /// The channel through which a message was handed over.
    Bridge, "bridge" {
        /// A line to the child's standard input.
        Stdio = "stdio",
        /// Text pasted into a terminal pane.
        TmuxBody = "tmux_body",
        /// A hint pasted into a terminal pane.
        TmuxNudge = "tmux_nudge",
        /// Long poll of the local HTTP API.
        Http = "http",
        /// Server-sent events of the local HTTP API.
        Sse = "sse",
        /// WebSocket of the local HTTP API.
        Ws = "ws",
        /// A POST to a URL of the agent.
        Callback = "callback",
        /// A tool call of an MCP client.
        Mcp = "mcp",
        /// A hook of the agent program.
        Hook = "hook",
    }
}

impl Bridge {
    /// The highest level that it proves, however it is used; `None`: that depends on what its sidecar was told, and
    /// stands in its heartbeats.
    pub const fn proves(self) -> Option<Level> {
        match self {
            Self::Stdio => None,
            Self::TmuxBody => Some(Level::Injected),
            Self::TmuxNudge | Self::Http | Self::Sse | Self::Ws | Self::Callback | Self::Mcp | Self::Hook => {
                Some(Level::Done)
            }
        }
    }
}

vocabulary! {
    /// What a level was concluded from.
    Proof, "proof" {
        /// The bytes were written to the agent's pipe or socket.
        Write = "write",
        /// The text was seen on the agent's screen.
        Pane = "pane",
        /// The agent asked for messages and got this one.
        Read = "read",
        /// A hook carried the message's id back.
        Hook = "hook",
        /// The agent acknowledged it.
        Ack = "ack",
        /// The agent replied to it.
        Reply = "reply",
        /// Nothing; used for `held`, `dead` and for what the coordinator reports.
        None = "none",
    }
}
