//! What is said of a name that nobody has.

use serde_json::json;
use wagglebus_schemas::AgentId;
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};

use crate::roster::{Member, Roster};
use crate::similar::similar;

/// Nobody has this name; close ones are told.
pub(crate) fn unknown_agent(roster: &Roster, agent: &AgentId) -> ErrorDetail {
    let coordinator = AgentId::coordinator();
    let names = roster.members().map(Member::agent).chain([&coordinator]);
    let similar = similar(agent.as_str(), names.map(AgentId::as_str));
    let hint = match similar.first() {
        Some(close) => format!("did you mean {close}? `wagglebus agents` lists everybody"),
        None => {
            format!("`wagglebus agents` lists everybody; `wagglebus sidecar --agent {agent} …` enrols it")
        }
    };
    ErrorDetail::new(ErrorCode::UnknownAgent, format!("no agent is named {agent}"))
        .hint(hint)
        .details(json!({ "similar": similar }))
}
