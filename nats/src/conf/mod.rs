//! The configuration of our own nats-server: JetStream in the account `BUS`, agents outside it (TOPOLOGY 3 and 5).
//!
//! Two files: [`ServerConf`] is `wb.conf`, written by `up`; [`Roster`] is `agents.conf`, which it includes and which
//! grows with each enrolment. Both are text for people, too, and are written from newtypes only: there is nothing that
//! would have to be escaped. What agents may do comes from `wagglebus_schemas::permission` and nowhere else.

mod agents;
mod files;
mod inspector;
mod path;
mod roster;
mod server;

pub use agents::AGENT_CONNECTIONS_MAX;
pub use files::ServerFiles;
pub use inspector::{Rights, inspector_rights};
pub use path::{ConfPath, ConfPathError};
pub use roster::{Roster, RosterError};
pub use server::{BusKeys, Port, ServerConf};

/// How agents are kept apart (ADR 0005).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One account for each agent; its imports are its rights. The default.
    AccountPerAgent,
    /// One account for all agents; each user's permissions are its rights. Agents can forge hints to each other.
    SharedAccount,
}

impl Form {
    /// Both, the default first.
    pub const ALL: [Self; 2] = [Self::AccountPerAgent, Self::SharedAccount];

    /// Its name in `agents.conf`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccountPerAgent => "account-per-agent",
            Self::SharedAccount => "shared-account",
        }
    }
}

/// Name of the account that holds JetStream.
const BUS: &str = "BUS";
/// Name of the account of all agents in [`Form::SharedAccount`].
const AGENTS: &str = "AGENTS";

#[cfg(test)]
mod tests;
