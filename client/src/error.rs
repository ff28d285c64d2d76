//! What can go wrong between a local program and a sidecar, with exit codes and hints.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use wagglebus_schemas::AgentId;
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::id::Id;

use crate::endpoint::EndpointError;

/// Why a request has no good answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No sidecar of this agent runs here; nothing was sent.
    #[error("no sidecar of {agent} runs here: {absence}")]
    NoSidecar {
        /// Whose sidecar was looked for.
        agent: AgentId,
        /// What was found instead.
        absence: Absence,
    },
    /// No `up` of this user runs; nothing was sent.
    #[error("no bus runs here: {absence}")]
    NoBus {
        /// What was found instead.
        absence: Absence,
    },
    /// The file that says where to dial says it wrongly.
    #[error("the API address of {agent} cannot be used")]
    Address {
        /// Whose sidecar.
        agent: AgentId,
        /// What is wrong.
        #[source]
        source: EndpointError,
    },
    /// Nobody answers at the address; nothing was sent.
    #[error("cannot connect to {endpoint}: {source}")]
    Connect {
        /// The address.
        endpoint: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// The sidecar said no, and why.
    #[error("{detail}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What it said.
        detail: Box<ErrorDetail>,
    },
    /// The connection broke before the answer; whether the request took effect is unknown.
    #[error("the connection to {endpoint} broke before the answer to {request}")]
    Lost {
        /// The address.
        endpoint: String,
        /// Method and path.
        request: String,
        /// What broke.
        #[source]
        source: hyper::Error,
        /// The id under which a repeat is the same message; `None` when the request was no send, or had none.
        repeat_as: Option<Id>,
    },
    /// No answer in time; whether the request took effect is unknown.
    #[error("{endpoint} did not answer {request} within {} s", within.as_secs_f64())]
    Timeout {
        /// The address.
        endpoint: String,
        /// Method and path.
        request: String,
        /// How long we waited.
        within: Duration,
        /// See [`ClientError::Lost`].
        repeat_as: Option<Id>,
    },
    /// The answer is none that a sidecar gives.
    #[error("unexpected answer of {endpoint} to {request}: {what}")]
    Protocol {
        /// The address.
        endpoint: String,
        /// Method and path.
        request: String,
        /// What is wrong with it.
        what: String,
    },
}

/// What was found in place of a running program.
#[derive(Debug, thiserror::Error)]
pub enum Absence {
    /// Its file is not there.
    #[error("{} does not exist", .0.display())]
    NoFile(PathBuf),
    /// Its file is there, but the process is not.
    #[error("{} is left over from process {pid}, which has ended", path.display())]
    Stale {
        /// The file.
        path: PathBuf,
        /// The process that it names.
        pid: u32,
    },
    /// Its file is not what it should be.
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl ClientError {
    /// The code of the contract, where there is one; the others are failures of the channel, whose effect is unknown.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::NoSidecar { .. } | Self::NoBus { .. } | Self::Address { .. } | Self::Connect { .. } => {
                Some(ErrorCode::BusUnreachable)
            }
            Self::Refused { detail, .. } => Some(detail.code),
            Self::Lost { .. } | Self::Timeout { .. } | Self::Protocol { .. } => None,
        }
    }

    /// The exit code of the command line (DESIGN 6): 1 where the effect is unknown, because 4 says "accepted" and 5
    /// says "nothing accepted".
    pub fn exit_code(&self) -> u8 {
        self.code().map_or(1, ErrorCode::exit_code)
    }

    /// Whether the same question may have an answer a little later: nobody was there, or who was had no time.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Connect { .. }
            | Self::NoSidecar { .. }
            | Self::NoBus { .. }
            | Self::Lost { .. }
            | Self::Timeout { .. } => true,
            Self::Refused { detail, .. } => matches!(
                detail.code,
                ErrorCode::BusUnreachable
                    | ErrorCode::Draining
                    | ErrorCode::CoordinatorUnavailable
                    | ErrorCode::RateLimited
            ),
            Self::Address { .. } | Self::Protocol { .. } => false,
        }
    }

    /// How to fix it, with the command to type.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoSidecar { agent, .. } if *agent == AgentId::operator() => {
                Some("start the bus: wagglebus up --detach".into())
            }
            Self::NoSidecar { agent, .. } => Some(format!(
                "start one: wagglebus sidecar --agent {agent} stdio -- COMMAND (or http), or speak as another agent with --as"
            )),
            Self::NoBus { .. } => Some("start the bus: wagglebus up --detach".into()),
            Self::Address { .. } => Some("restart the sidecar: it writes the file anew".into()),
            Self::Connect { .. } => Some("see what runs: wagglebus doctor".into()),
            Self::Refused { detail, .. } => detail.hint.clone(),
            Self::Lost { repeat_as, .. } | Self::Timeout { repeat_as, .. } => Some(match repeat_as {
                Some(id) => format!("repeat it with --id {id}: the same id is never delivered twice"),
                None => "see what runs: wagglebus doctor".into(),
            }),
            Self::Protocol { .. } => Some("compare the versions: wagglebus version".into()),
        }
    }
}
