//! A caller that was let in.

use std::sync::Arc;

use wagglebus_nats::api_tokens::{Role, TokenDigest};
use wagglebus_schemas::AgentId;
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};

/// Who speaks, by its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    /// Name of the token.
    pub(crate) name: Arc<str>,
    /// What it allows.
    pub(crate) role: Role,
    pub(super) digest: TokenDigest,
}

impl Caller {
    /// In whose name it changes something.
    ///
    /// # Errors
    /// When it may only look.
    pub(crate) fn actor(&self) -> Result<AgentId, ErrorDetail> {
        match &self.role {
            Role::Operator => Ok(AgentId::operator()),
            Role::Agent { agent } => Ok(agent.clone()),
            Role::Viewer => Err(ErrorDetail::new(
                ErrorCode::Forbidden,
                format!("token {} may look and change nothing", self.name),
            )
            .hint("use a token of the role agent or operator")),
        }
    }

    /// In whose name it asks: what a viewer asks changes nothing, whoever asks.
    pub(crate) fn reader(&self) -> AgentId {
        match &self.role {
            Role::Operator | Role::Viewer => AgentId::operator(),
            Role::Agent { agent } => agent.clone(),
        }
    }

    /// Refuses all but the operator.
    ///
    /// # Errors
    /// When it is somebody else.
    pub(crate) fn operator(&self) -> Result<AgentId, ErrorDetail> {
        match &self.role {
            Role::Operator => Ok(AgentId::operator()),
            Role::Agent { .. } | Role::Viewer => Err(ErrorDetail::new(
                ErrorCode::Forbidden,
                format!(
                    "this is for the operator, and token {} has the role {}",
                    self.name,
                    self.role.as_str()
                ),
            )),
        }
    }

    /// The agent that it is, if it is one.
    pub(crate) const fn agent(&self) -> Option<&AgentId> {
        match &self.role {
            Role::Agent { agent } => Some(agent),
            Role::Operator | Role::Viewer => None,
        }
    }
}
