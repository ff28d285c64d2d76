//! `pause`, `resume` and `halt`: the operator stops agents, and lets them go on.

use serde_json::Value;
use wagglebus_client::Answered;
use wagglebus_schemas::AgentId;
use wagglebus_schemas::command::ControlAction;

use crate::failure::Failure;
use crate::output::Output;
use crate::session::Session;

/// Pause an agent: nothing is assigned or handed over to it
#[derive(Debug, clap::Args)]
#[command(
    after_help = "No message reaches it, not even an urgent one, and it gets no task. What is in its hands stays \
                        there, and what it says still goes out. It goes on with: wagglebus resume AGENT"
)]
pub(crate) struct Pause {
    /// Which
    agent: String,
}

/// Let a paused agent go on, or the halted hive
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The two are independent: an agent that was paused by itself stays so when the hive goes on."
)]
pub(crate) struct Resume {
    /// Which; nobody: the whole hive
    agent: Option<String>,
}

/// Halt the whole hive: nothing is assigned or handed over to any agent
#[derive(Debug, clap::Args)]
#[command(
    after_help = "What is in an agent's hands stays there, and what it says still goes out; the operator still \
                        reads. It goes on with: wagglebus resume"
)]
pub(crate) struct Halt {}

pub(crate) async fn pause(args: Pause, session: &Session, output: &mut Output) -> Result<(), Failure> {
    tell(Some(&args.agent), ControlAction::Pause, session, output).await
}

pub(crate) async fn resume(args: Resume, session: &Session, output: &mut Output) -> Result<(), Failure> {
    tell(args.agent.as_deref(), ControlAction::Resume, session, output).await
}

pub(crate) async fn halt(_: Halt, session: &Session, output: &mut Output) -> Result<(), Failure> {
    tell(None, ControlAction::Halt, session, output).await
}

/// Asks for it, and says `<agent or hive> <state>`, or how far it came; or the answer itself as JSON.
async fn tell(
    agent: Option<&str>,
    action: ControlAction,
    session: &Session,
    output: &mut Output,
) -> Result<(), Failure> {
    let agent: Option<AgentId> = agent
        .map(str::parse)
        .transpose()
        .map_err(|error: wagglebus_schemas::id::NameError| Failure::invalid(error.to_string()))?;
    let answer = session.client()?.control(agent.as_ref(), action).await?;
    let level = undecided(&answer);
    if level.is_some() {
        output.note("no coordinator has decided it yet; it is kept until one does: wagglebus agents")?;
    }
    if output.json() {
        return Ok(output.body(&answer.body)?);
    }
    let whom = agent.map_or_else(|| session.places().hive().to_string(), |agent| agent.to_string());
    let state = level.unwrap_or(match action {
        ControlAction::Pause => "paused",
        ControlAction::Resume => "resumed",
        ControlAction::Halt => "halted",
    });
    Ok(output.line(format!("{whom} {state}"))?)
}

/// How far a command came that nobody has decided; `None`: it is decided.
fn undecided(answer: &Answered<Value>) -> Option<&str> {
    let level = answer.value.get("level").and_then(Value::as_str);
    level.filter(|_| answer.value.get("state").is_none())
}
