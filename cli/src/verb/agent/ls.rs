//! `agent ls`, `agents`: the roster.

use serde_json::{Value, json};
use wagglebus_schemas::agent::Agent;

use crate::failure::Failure;
use crate::output::{Output, table};
use crate::printable;
use crate::session::Session;

/// Most pages that are asked for: 500 agents each.
const PAGES_MAX: usize = 40;

/// List the agents: who is there, and how a message reaches them
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(_: Args, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let client = session.client()?;
    let mut agents = Vec::new();
    let mut bodies = Vec::new();
    let mut cursor = None;
    for _ in 0..PAGES_MAX {
        let page = client.agents(cursor.as_deref()).await?;
        let mut body: Value = serde_json::from_slice(&page.body).unwrap_or_default();
        if let Some(Value::Array(items)) = body.get_mut("items").map(Value::take) {
            bodies.extend(items);
        }
        agents.extend(page.value.items);
        cursor = page.value.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    if output.json() {
        output.record(&json!({ "items": bodies, "next_cursor": cursor }))?;
        return Ok(());
    }
    let mut rows = table([
        "AGENT",
        "PRESENCE",
        "STATE",
        "REACHED BY",
        "CAPABILITIES",
        "LAST SEEN",
        "VERSION",
    ]);
    for agent in &agents {
        rows.add_row(row(agent));
    }
    output.table(&rows)?;
    if agents.iter().any(|agent| agent.stale) {
        output.note("note: from the sidecar's cache, since no coordinator answers; it may be old")?;
    }
    if let Some(hint) = goes_on(&agents) {
        output.note(hint)?;
    }
    if agents.is_empty() {
        output.note("no agents yet; start one: wagglebus sidecar --agent NAME stdio -- COMMAND")?;
    }
    Ok(())
}

/// How those go on whom the operator stopped.
fn goes_on(agents: &[Agent]) -> Option<String> {
    let controls = || agents.iter().filter_map(|agent| Some((agent, agent.control?)));
    if controls().any(|(_, control)| control.halted) {
        return Some("the hive is halted; it goes on with: wagglebus resume".into());
    }
    let (paused, _) = controls().find(|(_, control)| control.paused)?;
    Some(format!(
        "{0} is paused; it goes on with: wagglebus resume {0}",
        paused.agent
    ))
}

/// What it does, and what keeps it from more.
fn state(agent: &Agent) -> String {
    let state = agent.state.map(|state| state.to_string());
    let (paused, halted) = agent
        .control
        .map_or((false, false), |control| (control.paused, control.halted));
    let stopped = [(paused, "paused"), (halted, "halted")];
    let stopped = stopped.into_iter().filter(|(is, _)| *is);
    let stopped = stopped.map(|(_, word)| word.to_owned());
    let words: Vec<String> = state.into_iter().chain(stopped).collect();
    if words.is_empty() {
        "-".into()
    } else {
        words.join(",")
    }
}

fn row(agent: &Agent) -> [String; 7] {
    let or_dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    let joined = |items: Vec<String>| or_dash(items.join(","));
    [
        agent.agent.to_string(),
        agent.presence.to_string(),
        state(agent),
        joined(
            agent
                .bridges
                .iter()
                .map(|bridge| format!("{}≤{}", bridge.name, bridge.proves))
                .collect(),
        ),
        joined(
            agent
                .capabilities
                .iter()
                .map(|c| format!("{}:{}", c.name, c.proficiency.get()))
                .collect(),
        ),
        agent.last_seen.map_or_else(|| "-".into(), |at| at.to_string()),
        or_dash(printable::line(&agent.version, 30)),
    ]
}
