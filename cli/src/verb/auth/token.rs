//! `auth token`: who may use the coordinator's HTTP API.

use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};
use wagglebus_nats::api_tokens::{OPERATOR, Role, TokenError, TokenFiles, TokenRecord};
use wagglebus_schemas::AgentId;
use wagglebus_schemas::error::ErrorCode;

use crate::failure::Failure;
use crate::filter::now;
use crate::output::{Output, table};
use crate::session::Session;

/// Bearer tokens of the coordinator's HTTP API: make, list and revoke them
///
/// The operator's own token lies in the file that bus.json names. Others are shown once, when they are made. Coordinators
/// of this user know what changed within a second.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Add(Add),
    Ls(Ls),
    Revoke(Revoke),
}

/// Make a token, and show it this once
#[derive(Debug, clap::Args)]
pub(crate) struct Add {
    /// A name by which it can be revoked
    #[arg(value_name = "NAME")]
    name: String,
    /// What it allows, when it is no agent's
    #[arg(long, value_name = "ROLE", required_unless_present = "agent")]
    role: Option<Word>,
    /// It lets somebody speak as this agent
    #[arg(long, value_name = "ID", conflicts_with = "role")]
    agent: Option<AgentId>,
}

/// A role that needs no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Word {
    /// Everything, as the operator
    Operator,
    /// To look, and to change nothing
    Viewer,
}

/// List the tokens with what they allow; none is shown
#[derive(Debug, clap::Args)]
pub(crate) struct Ls {}

/// Take a token's rights away; `operator` gets a new one in place of the old
#[derive(Debug, clap::Args)]
pub(crate) struct Revoke {
    /// The name of the token
    #[arg(value_name = "NAME")]
    name: String,
}

pub(crate) fn run(verb: Verb, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let files = TokenFiles::of(session.places());
    match verb {
        Verb::Add(args) => add(args, &files, output),
        Verb::Ls(_) => ls(&files, output),
        Verb::Revoke(args) => revoke(&args.name, &files, output),
    }
}

fn add(args: Add, files: &TokenFiles, output: &mut Output) -> Result<(), Failure> {
    let Add { name, role, agent } = args;
    let role = match (agent, role) {
        (Some(agent), _) if agent.is_reserved() => {
            return Err(
                Failure::invalid(format!("{agent} is no agent that a token can speak for"))
                    .fix("for the operator: --role operator"),
            );
        }
        (Some(agent), _) => Role::Agent { agent },
        (None, Some(Word::Operator)) => Role::Operator,
        (None, Some(Word::Viewer) | None) => Role::Viewer,
    };
    let token = files.add(&name, role.clone(), now()).map_err(failure)?;
    if output.json() {
        let mut record = told(&name, &role);
        if let Some(fields) = record.as_object_mut() {
            fields.insert("token".to_owned(), token.into());
        }
        output.record(&record)?;
        return Ok(());
    }
    output.line(&token)?;
    output.note(format!(
        "it is shown this once; send it as Authorization: Bearer; end it: wagglebus auth token revoke {name}"
    ))?;
    Ok(())
}

fn ls(files: &TokenFiles, output: &mut Output) -> Result<(), Failure> {
    let tokens = files.list().map_err(failure)?;
    if output.json() {
        let items: Vec<Value> = tokens.iter().map(listed).collect();
        output.record(&json!({ "items": items, "operator_token_file": files.operator_file() }))?;
        return Ok(());
    }
    let mut rows = table(["NAME", "ROLE", "AGENT", "SINCE"]);
    for token in &tokens {
        let agent = agent(&token.role).map_or("-", AgentId::as_str);
        rows.add_row([
            token.name.clone(),
            token.role.as_str().to_owned(),
            agent.to_owned(),
            token.created_at.to_string(),
        ]);
    }
    output.table(&rows)?;
    output.note(format!("the operator's own: {}", files.operator_file().display()))?;
    Ok(())
}

fn revoke(name: &str, files: &TokenFiles, output: &mut Output) -> Result<(), Failure> {
    if name == OPERATOR {
        files.renew_operator().map_err(failure)?;
    } else {
        files.revoke(name).map_err(failure)?;
    }
    if output.json() {
        output.record(&json!({ "name": name, "revoked": true }))?;
        return Ok(());
    }
    output.line(format!("revoked {name}"))?;
    if name == OPERATOR {
        output.note(format!("a new one is in {}", files.operator_file().display()))?;
    }
    Ok(())
}

/// As whom it lets somebody speak.
fn agent(role: &Role) -> Option<&AgentId> {
    match role {
        Role::Agent { agent } => Some(agent),
        Role::Operator | Role::Viewer => None,
    }
}

fn told(name: &str, role: &Role) -> Value {
    json!({ "name": name, "role": role.as_str(), "agent": agent(role) })
}

fn listed(token: &TokenRecord) -> Value {
    let mut record = told(&token.name, &token.role);
    if let Some(fields) = record.as_object_mut() {
        fields.insert("created_at".to_owned(), json!(token.created_at));
    }
    record
}

fn failure(error: TokenError) -> Failure {
    match &error {
        TokenError::Unknown(_) => {
            Failure::contract(ErrorCode::NotFound, error.to_string()).fix("wagglebus auth token ls lists all")
        }
        TokenError::Name(_) | TokenError::Taken(_) | TokenError::TooMany => {
            Failure::invalid(error.to_string())
        }
        TokenError::File(_) | TokenError::Unreadable { .. } => Failure::caused(&error),
    }
}
