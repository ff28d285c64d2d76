//! The methods of the request/reply API: a query to an answer.

use serde::{Deserialize, Serialize};
use wagglebus_schemas::agent::Agent;
use wagglebus_schemas::agent_detail::AgentShown;
use wagglebus_schemas::api::Page;
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::subject::ApiMethod;
use wagglebus_schemas::{AgentId, Recipient, RoomName};

use crate::alerts;
use crate::attention::Now;
use crate::detail::detail;
use crate::event::Request;
use crate::fsm::query::{self as machines, Found, Recall};
use crate::lead::Lead;
use crate::order::RoomChange;
use crate::query::{fill, limit, query};
use crate::resolve::{self, Myself, Resolved};
use crate::rooms;
use crate::roster::{Member, Roster};
use crate::tasks;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AgentsQuery {
    #[serde(default)]
    limit: Option<usize>,
    #[serde(default)]
    cursor: Option<AgentId>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AgentQuery {
    /// Whom; absent: the asker. `id` is its name in the path of the HTTP form.
    #[serde(default, alias = "id")]
    agent: Option<AgentId>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ResolveQuery {
    to: Recipient,
}

/// Answer of `resolve`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum ResolveAnswer {
    Agent(Box<Agent>),
    Room(RoomName),
}

/// What is known, for answers.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// Who is there.
    pub roster: &'a Roster,
    /// Who answers.
    pub myself: &'a Myself,
    /// What is known of the tasks.
    pub lead: &'a Lead,
}

/// What a request comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The encoded answer.
    Body(Vec<u8>),
    /// Something must be done first.
    Later(RoomChange),
    /// Lines of the log must be read first.
    Recall(Recall),
}

/// Answers a request with the encoded body, or says what must be done for it.
///
/// # Errors
/// What the caller gets instead: a query that cannot be read, an unknown name, or `coordinator_unavailable` while the
/// enrolments were not listed yet.
pub fn answer(known: Known<'_>, request: &Request, now: Now) -> Result<Outcome, ErrorDetail> {
    let Known { roster, myself, lead } = known;
    if !roster.is_listed() {
        return Err(ErrorDetail::new(
            ErrorCode::CoordinatorUnavailable,
            "the coordinator is still reading the enrolments",
        )
        .retry_after_ms(500));
    }
    match request.method {
        ApiMethod::Agents => encode(&agents(known, &query(&request.body)?)?),
        ApiMethod::Agent => {
            let AgentQuery { agent } = query(&request.body)?;
            let agent = agent.unwrap_or_else(|| request.from.clone());
            // Before the log is read nothing is known of what it holds.
            let member = roster.member(&agent).filter(|_| lead.is_caught_up());
            let shown = AgentShown {
                detail: member.map(|member| detail(member, lead.world())),
                agent: with_machine(lead, resolve::agent(roster, myself, &agent, now)?),
            };
            encode(&shown)
        }
        ApiMethod::Resolve => {
            let ResolveQuery { to } = query(&request.body)?;
            encode(
                &match resolve::resolve(roster, myself, &request.from, &to, now)? {
                    Resolved::Agent(agent) => ResolveAnswer::Agent(Box::new(with_machine(lead, *agent))),
                    Resolved::Room(room) => ResolveAnswer::Room(room),
                },
            )
        }
        ApiMethod::Rooms => encode(&rooms::list(roster, request)?),
        // Answered once it is done.
        ApiMethod::Join => rooms::change(roster, request, true).map(Outcome::Later),
        ApiMethod::Leave => rooms::change(roster, request, false).map(Outcome::Later),
        ApiMethod::Tasks => encode(&tasks::list(lead, &query(&request.body)?)?),
        ApiMethod::Task => encode(&tasks::task(lead, &query(&request.body)?)?.task),
        ApiMethod::Explain => encode(&tasks::explanation(known, &query(&request.body)?, now)?),
        ApiMethod::Fsm => {
            tasks::ready(lead)?;
            match machines::ask(lead, roster, &myself.hive, &query(&request.body)?)? {
                Found::Now(fsm) => encode(&fsm),
                Found::Recall(recall) => Ok(Outcome::Recall(recall)),
            }
        }
        ApiMethod::Alerts => encode(&alerts::list(lead, &query(&request.body)?)?),
    }
}

/// Whom a request asks about that asks about one agent.
pub(crate) fn asked_agent(request: &Request) -> Option<AgentId> {
    let AgentQuery { agent } = query(&request.body).ok()?;
    Some(agent.unwrap_or_else(|| request.from.clone()))
}

/// One page; its cursor is the name of its last agent, so that agents that come and go shift nothing.
fn agents(known: Known<'_>, query: &AgentsQuery) -> Result<Page<Agent>, ErrorDetail> {
    let Known { roster, lead, .. } = known;
    let limit = limit(query.limit)?;
    let record = |member: &Member| with_machine(lead, member.record());
    let (items, more) = match &query.cursor {
        Some(cursor) => fill(roster.members_after(cursor).map(record), limit),
        None => fill(roster.members().map(record), limit),
    };
    let next_cursor = items.last().filter(|_| more).map(|last| last.agent.to_string());
    Ok(Page { items, next_cursor })
}

/// The record with what the log tells of the agent, once the log was read.
fn with_machine(lead: &Lead, agent: Agent) -> Agent {
    let crew = lead.world().crew();
    if !lead.is_caught_up() || agent.agent == AgentId::coordinator() {
        return agent;
    }
    Agent {
        fsm: crew.agent(&agent.agent).map(|entry| entry.state),
        control: Some(crew.control(&agent.agent)),
        ..agent
    }
}

fn encode<T: Serialize>(answer: &T) -> Result<Outcome, ErrorDetail> {
    encoded(answer).map(Outcome::Body)
}

/// The body of an answer.
pub(crate) fn encoded<T: Serialize>(answer: &T) -> Result<Vec<u8>, ErrorDetail> {
    serde_json::to_vec(answer).map_err(|error| {
        ErrorDetail::new(
            ErrorCode::CoordinatorUnavailable,
            format!("the answer cannot be encoded: {error}"),
        )
    })
}
