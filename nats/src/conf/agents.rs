//! What one agent may do, as server configuration.

use wagglebus_schemas::limits::ACCOUNT_PAYLOAD_BYTES_MAX;
use wagglebus_schemas::permission::{Crossing, Grant, agent_grants, inbox_prefix};
use wagglebus_schemas::{AgentId, Hive};

use super::BUS;
use crate::keys::PublicKey;

/// Connections that an agent may have at one time: its own and its successor's.
pub const AGENT_CONNECTIONS_MAX: u32 = 2;

/// An account with one user: what it imports is what it may do.
pub(super) fn account(hive: &Hive, agent: &AgentId, key: &PublicKey) -> Vec<String> {
    let mut lines = vec![
        format!("\"A_{agent}\" {{"),
        format!("  users: [ {{ nkey: {key} }} ]"),
        format!("  {}", limits(AGENT_CONNECTIONS_MAX)),
        "  imports: [".to_owned(),
    ];
    lines.extend(
        agent_grants(hive, agent)
            .iter()
            .map(|grant| format!("    {}", import(grant))),
    );
    lines.extend(["  ]".to_owned(), "}".to_owned()]);
    lines
}

/// A user of the account of all agents: its permissions are what it may do.
pub(super) fn user(hive: &Hive, agent: &AgentId, key: &PublicKey) -> Vec<String> {
    let (publish, mut subscribe): (Vec<Grant>, Vec<Grant>) =
        agent_grants(hive, agent).into_iter().partition(Grant::is_publish);
    let mut lines = vec![format!("{{ nkey: {key}, permissions: {{")];
    lines.push("    publish: { allow: [".to_owned());
    lines.extend(
        publish
            .iter()
            .map(|grant| format!("      \"{}\"", grant.local_subject())),
    );
    let subscribe = subscribe.drain(..).map(|grant| grant.local_subject().to_owned());
    let subscribe = [format!("{}.>", inbox_prefix(agent))]
        .into_iter()
        .chain(subscribe);
    let subscribe: Vec<_> = subscribe.map(|subject| format!("\"{subject}\"")).collect();
    lines.push("    ] }".to_owned());
    lines.push(format!(
        "    subscribe: {{ allow: [ {} ] }}",
        subscribe.join(", ")
    ));
    lines.push("} }".to_owned());
    lines
}

/// Limits of an account of agents.
pub(super) fn limits(connections: u32) -> String {
    format!("limits {{ max_connections: {connections}, max_payload: {ACCOUNT_PAYLOAD_BYTES_MAX} }}")
}

/// How a grant comes into an account of agents.
pub(super) fn import(grant: &Grant) -> String {
    let (kind, share) = match grant.crossing {
        Crossing::Service | Crossing::ServiceStream => ("service", ""),
        Crossing::ServiceShared => ("service", ", share: true"),
        Crossing::Stream => ("stream", ""),
    };
    let to = grant
        .local
        .as_ref()
        .map(|local| format!(", to: \"{local}\""))
        .unwrap_or_default();
    format!(
        "{{ {kind}: {{ account: {BUS}, subject: \"{}\" }}{to}{share} }}",
        grant.subject
    )
}
