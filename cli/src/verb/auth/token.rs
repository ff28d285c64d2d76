//! `auth token`: who may use the coordinator's HTTP API.

use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};
use wagglebus_nats::api_tokens::{OPERATOR, Role, TokenError, TokenFiles, TokenRecord};
use wagglebus_nats::conf::{Roster, ServerFiles};
use wagglebus_nats::private_file;
use wagglebus_schemas::AgentId;
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::places::Places;

use crate::failure::Failure;
use crate::filter::now;
use crate::near;
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
        Verb::Add(args) => {
            if let Some(agent) = &args.agent {
                check(agent, known(session.places())?.as_ref())?;
            }
            add(args, &files, output)
        }
        Verb::Ls(_) => ls(&files, output),
        Verb::Revoke(args) => revoke(&args.name, &files, output),
    }
}

/// The agents of the bus that `up` runs; `None` where another one is served, whose agents nobody here knows.
fn known(places: &Places) -> Result<Option<Roster>, Failure> {
    let text =
        private_file::read(&ServerFiles::of(places).agents()).map_err(|error| Failure::caused(&error))?;
    let roster = text.map(|text| Roster::parse(&text)).transpose();
    roster.map_err(|error| Failure::refused(&error))
}

/// Whether a token can speak as this agent.
fn check(agent: &AgentId, known: Option<&Roster>) -> Result<(), Failure> {
    if agent.is_reserved() {
        return Err(
            Failure::invalid(format!("{agent} is no agent that a token can speak for"))
                .fix("for the operator: --role operator"),
        );
    }
    let Some(agents) = known.map(Roster::agents) else {
        return Ok(());
    };
    if agents.contains_key(agent) {
        return Ok(());
    }
    let names = agents.keys().map(AgentId::as_str);
    let similar = near::closest(agent.as_str(), names);
    let meant = similar.map_or_else(String::new, |name| format!("did you mean {name}? "));
    Err(
        Failure::contract(ErrorCode::UnknownAgent, format!("nobody is enrolled as {agent}"))
            .details(json!({ "similar": similar.into_iter().collect::<Vec<_>>() }))
            .fix(format!(
                "{meant}all names: wagglebus auth ls; a new one: wagglebus auth add {agent}"
            )),
    )
}

fn add(args: Add, files: &TokenFiles, output: &mut Output) -> Result<(), Failure> {
    let Add { name, role, agent } = args;
    let role = match (agent, role) {
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
        TokenError::Name(_) => Failure::invalid(error.to_string())
            .fix("such as ci or grafana-2: wagglebus auth token add ci --role viewer"),
        TokenError::Taken(name) if name == OPERATOR => Failure::invalid(error.to_string())
            .fix("take another name; a new one for the operator: wagglebus auth token revoke operator"),
        TokenError::Taken(name) => Failure::invalid(error.to_string()).fix(format!(
            "take another name, or end that one first: wagglebus auth token revoke {name}"
        )),
        TokenError::TooMany => Failure::invalid(error.to_string()).fix(
            "see which are not needed: wagglebus auth token ls; end one: wagglebus auth token revoke NAME",
        ),
        TokenError::File(_) | TokenError::Unreadable { .. } => Failure::caused(&error),
    }
}

#[cfg(test)]
mod tests {
    use wagglebus_nats::conf::Form;
    use wagglebus_nats::keys::UserKey;

    use super::*;

    #[test]
    fn a_token_speaks_as_nobody_who_is_not_enrolled() {
        let folder = tempfile::tempdir().unwrap();
        let key = UserKey::load_or_create(&folder.path().join("k")).unwrap();
        let mut roster = Roster::new(Form::AccountPerAgent);
        roster.admit(&"carol".parse().unwrap(), key.public()).unwrap();
        let code = |agent: &str, known| check(&agent.parse().unwrap(), known).err().map(|f| f.exit_code());
        assert_eq!(code("carol", Some(&roster)), None);
        assert_eq!(code("carl", Some(&roster)), Some(3));
        assert_eq!(code("elsewhere", None), None, "nobody here knows");
        assert_eq!(code("operator", None), Some(6));
        let told = check(&"carl".parse().unwrap(), Some(&roster)).unwrap_err().json();
        let hint = told["error"]["hint"].as_str().unwrap();
        assert!(
            hint.contains("did you mean carol?") && hint.contains("wagglebus auth add carl"),
            "{hint}"
        );
    }

    #[test]
    fn every_refusal_says_what_to_type() {
        for error in [
            TokenError::Name("X".to_owned()),
            TokenError::Taken("ci".to_owned()),
            TokenError::Taken("operator".to_owned()),
            TokenError::Unknown("ci".to_owned()),
            TokenError::TooMany,
        ] {
            let text = error.to_string();
            let told = failure(error).json();
            assert!(
                told["error"]["hint"]
                    .as_str()
                    .is_some_and(|hint| hint.contains("wagglebus ")),
                "{text}"
            );
        }
    }
}
