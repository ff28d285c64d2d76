//! `fsm`: the machines of tasks, agents and the hive: where one stands, where it stood, and what happened to it.

use clap::Subcommand;
use serde_json::{Value, json};
use wagglebus_schemas::fsm_api::{Fsm, FsmEntity, FsmRequest, Transition};
use wagglebus_schemas::{AgentId, Hive, id::NameError};

use crate::failure::Failure;
use crate::filter::{self, Moment, moment};
use crate::output::{Output, table};
use crate::session::Session;
use crate::value;

/// Most pages that are asked for.
const PAGES_MAX: usize = 40;
/// Events of a page.
const PAGE_SIZE: usize = 500;

/// Machines: the state of a task, of an agent or of the hive, now or then, and how it came there
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Show(Show),
    History(History),
    At(At),
}

/// Show where a machine stands
#[derive(Debug, clap::Args)]
pub(crate) struct Show {
    #[command(flatten)]
    of: Of,
}

/// List what happened to a machine, the latest last
#[derive(Debug, clap::Args)]
pub(crate) struct History {
    #[command(flatten)]
    of: Of,
    /// Only what led to this state; names of older systems, such as `working`, are understood, too
    #[arg(long, value_name = "STATE")]
    state: Option<String>,
    /// At most this many, the latest
    #[arg(short = 'n', long, value_name = "N", default_value_t = 50)]
    limit: usize,
}

/// Show where a machine stood at a time, as far back as the log reaches
#[derive(Debug, clap::Args)]
pub(crate) struct At {
    /// When: 2h, 3d ago, or a time such as 2026-01-02T03:04:05Z
    #[arg(value_name = "TIME", value_parser = moment)]
    at: Moment,
    #[command(flatten)]
    of: Of,
}

/// Of what.
#[derive(Debug, clap::Args)]
struct Of {
    /// Whose machine: task, agent or swarm, which is the hive as a whole
    #[arg(value_name = "ENTITY", value_parser = value::words::<FsmEntity>(FsmEntity::ALL.iter().map(|e| e.as_str())))]
    entity: FsmEntity,
    /// Which task or agent; of `swarm` not needed
    #[arg(value_name = "ID")]
    id: Option<String>,
}

impl Of {
    fn request(&self, hive: &Hive) -> Result<FsmRequest, Failure> {
        let named = |error: NameError| Failure::invalid(error.to_string());
        let id = match (self.entity, self.id.as_deref()) {
            (FsmEntity::Task, Some(id)) => value::id(id)?.to_string(),
            (FsmEntity::Agent, Some(id)) => id.parse::<AgentId>().map_err(named)?.to_string(),
            (FsmEntity::Swarm, Some(id)) => id
                .parse::<Hive>()
                .map_err(|error| Failure::invalid(error.to_string()))?
                .to_string(),
            (FsmEntity::Swarm, None) => hive.to_string(),
            (FsmEntity::Task, None) => {
                return Err(Failure::invalid("which task? Give its id: `wagglebus task ls`"));
            }
            (FsmEntity::Agent, None) => {
                return Err(Failure::invalid("which agent? Give its name: `wagglebus agents`"));
            }
        };
        Ok(FsmRequest::now(self.entity, Some(id)))
    }
}

pub(crate) async fn run(verb: Verb, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let hive = session.places().hive();
    match verb {
        Verb::Show(args) => show(&args.of.request(hive)?, session, output).await,
        Verb::At(args) => {
            let request = FsmRequest {
                at: Some(args.at.at(filter::now())),
                ..args.of.request(hive)?
            };
            show(&request, session, output).await
        }
        Verb::History(args) => history(args, session, output).await,
    }
}

async fn show(request: &FsmRequest, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let answer = session.client()?.fsm(request).await?;
    if output.json() {
        return Ok(output.body(&answer.body)?);
    }
    for (name, text) in facts(&answer.value) {
        output.foreign(&format!("{name:<8} {text}"))?;
    }
    let (wagglebus, fsm) = (session.wagglebus()?, &answer.value);
    output.note(format!(
        "how it came there: {wagglebus} fsm history {} {}",
        fsm.entity, fsm.id
    ))?;
    Ok(())
}

/// What there is to say of a machine, line by line.
fn facts(fsm: &Fsm) -> Vec<(&'static str, String)> {
    let facts = [
        (fsm.entity.as_str(), Some(fsm.id.clone())),
        ("state", Some(fsm.state.clone())),
        ("since", fsm.since.map(|since| since.to_string())),
        (
            "paused",
            fsm.paused.filter(|paused| *paused).map(|_| "yes".to_owned()),
        ),
        ("events", Some(fsm.seq.to_string())),
    ];
    facts
        .into_iter()
        .filter_map(|(name, text)| Some((name, text?)))
        .collect()
}

async fn history(args: History, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let client = session.client()?;
    let mut request = FsmRequest {
        history: true,
        state: args.state,
        ..args.of.request(session.places().hive())?
    };
    let mut found: Vec<Transition> = Vec::new();
    for _ in 0..PAGES_MAX {
        let left = args.limit.saturating_sub(found.len());
        request.limit = Some(left.clamp(1, PAGE_SIZE));
        let page = client.fsm_history(&request).await?.value;
        found.extend(page.items);
        request.cursor = page.next_cursor;
        if request.cursor.is_none() || found.len() >= args.limit {
            break;
        }
    }
    if output.json() {
        let next_cursor = request.cursor.map_or(Value::Null, Value::from);
        return Ok(output.record(&json!({ "items": found, "next_cursor": next_cursor }))?);
    }
    let mut rows = table(["AT", "FROM", "TO", "EVENT", "GUARD", "BY", "CAUSE"]);
    for transition in found.iter().rev() {
        rows.add_row(row(transition));
    }
    output.table(&rows)?;
    if request.cursor.is_some() {
        output.note(format!(
            "there are older ones: {} {}",
            session.wagglebus()?,
            older(&request, args.limit.saturating_mul(2))
        ))?;
    } else if found.is_empty() {
        output.note("nothing is known to have happened to it")?;
    }
    Ok(())
}

/// The same question with more room.
fn older(request: &FsmRequest, limit: usize) -> String {
    let mut typed = format!("fsm history -n {limit}");
    if let Some(state) = &request.state {
        typed.push_str(&format!(" --state {state}"));
    }
    format!(
        "{typed} {} {}",
        request.entity,
        request.id.as_deref().unwrap_or_default()
    )
}

fn row(transition: &Transition) -> [String; 7] {
    let event = &transition.event;
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    [
        event.at.to_string(),
        or_none(&event.from),
        event.to.clone(),
        event.event.clone(),
        or_none(&event.guard),
        event.actor.to_string(),
        event.cause.kind.to_string(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_ones_are_those_of_the_same_question() {
        let asked = json!({ "entity": "agent", "id": "bob", "history": true, "state": "working" });
        let request: FsmRequest = serde_json::from_value(asked).unwrap();
        let typed = older(&request, 40);
        assert_eq!(typed, "fsm history -n 40 --state working agent bob");
    }
}
