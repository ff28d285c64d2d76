//! Questions about machines: where one stands, what happened to it, where it stood at a time.
//!
//! The present is told from what the log says. The past is read from the log again: this file says which lines, the shell
//! reads them, and this file makes the answer of them.

use wagglebus_schemas::api::Page;
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::event::Event;
use wagglebus_schemas::fsm_api::{Fsm, FsmEntity, FsmRequest, Transition};
use wagglebus_schemas::{Hive, Id, Timestamp};

use super::legacy;
use super::past::Past;
use crate::lead::Lead;
use crate::log::{Entity, World};
use crate::query::{fill, limit};
use crate::roster::Roster;
use crate::unknown::unknown_agent;

/// What a question comes to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Found {
    /// The answer.
    Now(Fsm),
    /// Lines of the log must be read first.
    Recall(Recall),
}

/// An answer that is made of lines of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Recall {
    /// The places of the lines, in order.
    pub(crate) seqs: Vec<u64>,
    /// Where it stands now.
    now: Fsm,
    what: What,
}

#[derive(Debug, Clone, PartialEq)]
enum What {
    At(Timestamp),
    /// Whether there is more before it, and only what leads to one of these states, if there are any.
    History {
        more: bool,
        states: Option<Vec<&'static str>>,
    },
}

/// What a question is about.
///
/// # Errors
/// When the id is none of such an entity.
pub(crate) fn entity(hive: &Hive, request: &FsmRequest) -> Result<Entity, ErrorDetail> {
    let id = match (&request.id, request.entity) {
        (Some(id), _) => id.as_str(),
        (None, FsmEntity::Swarm) => hive.as_str(),
        (None, kind @ (FsmEntity::Task | FsmEntity::Agent)) => {
            return Err(invalid(format!("which {kind}? Give its id")));
        }
    };
    let unreadable =
        |error: &dyn std::fmt::Display| invalid(format!("{id:?} is no {}: {error}", request.entity));
    match request.entity {
        FsmEntity::Task => id.parse().map(Entity::Task).map_err(|error| unreadable(&error)),
        FsmEntity::Agent => id.parse().map(Entity::Agent).map_err(|error| unreadable(&error)),
        FsmEntity::Swarm if id == hive.as_str() => Ok(Entity::Swarm),
        FsmEntity::Swarm => Err(
            ErrorDetail::new(ErrorCode::NotFound, format!("there is no hive {id} here"))
                .hint(format!("this one is {hive}")),
        ),
    }
}

/// Answers a question, or says what must be read for it.
///
/// # Errors
/// `invalid_query`, `not_found`, `unknown_agent`.
pub(crate) fn ask(
    lead: &Lead,
    roster: &Roster,
    hive: &Hive,
    request: &FsmRequest,
) -> Result<Found, ErrorDetail> {
    let entity = entity(hive, request)?;
    let world = lead.world();
    let of_history = request.state.is_some() || request.limit.is_some() || request.cursor.is_some();
    if of_history && !request.history {
        return Err(invalid("state, limit and cursor are of a history".to_owned()));
    }
    if request.at.is_some() && request.history {
        return Err(invalid("a history has no `at`".to_owned()));
    }
    let now = now(world, roster, hive, &entity)?;
    let recall = |seqs, what| {
        Ok(Found::Recall(Recall {
            seqs,
            now: now.clone(),
            what,
        }))
    };
    if let Some(at) = request.at {
        return recall(world.index().places(&entity).collect(), What::At(at));
    }
    if !request.history {
        return Ok(Found::Now(now));
    }
    let limit = limit(request.limit)?;
    let before = match &request.cursor {
        Some(cursor) => cursor.parse().map_err(|_| {
            invalid(format!(
                "{cursor:?} is no cursor of this list: use next_cursor of the page before"
            ))
        })?,
        None => u64::MAX,
    };
    let states = request.state.as_deref().map(|state| {
        let states = legacy::states(request.entity, state);
        (!states.is_empty())
            .then_some(states)
            .ok_or_else(|| unknown_state(request.entity, state))
    });
    let states = states.transpose()?;
    let mut latest = world.index().places(&entity).rev().filter(|seq| *seq < before);
    let mut seqs: Vec<u64> = latest.by_ref().take(limit).collect();
    let more = latest.next().is_some();
    seqs.reverse();
    recall(seqs, What::History { more, states })
}

/// Where a machine stands now.
fn now(world: &World, roster: &Roster, hive: &Hive, entity: &Entity) -> Result<Fsm, ErrorDetail> {
    match entity {
        Entity::Task(id) => task(world, id),
        Entity::Agent(agent) => {
            let known = world.crew().agent_fsm(agent);
            known.ok_or_else(|| match roster.member(agent) {
                Some(_) => ErrorDetail::new(
                    ErrorCode::NotFound,
                    format!("the log does not tell of {agent} yet"),
                )
                .hint("a leading coordinator takes note of it"),
                None => unknown_agent(roster, agent),
            })
        }
        Entity::Swarm => Ok(world.crew().swarm_fsm(hive.as_str())),
    }
}

pub(super) fn task(world: &World, id: &Id) -> Result<Fsm, ErrorDetail> {
    let entry = world.task(id).ok_or_else(|| crate::tasks::not_found(world, id))?;
    Ok(Fsm {
        entity: FsmEntity::Task,
        id: id.to_string(),
        state: entry.task.state.to_string(),
        since: Some(entry.since),
        seq: entry.seq,
        event_seq: world.last_of(&Entity::Task(*id)),
        paused: None,
    })
}

/// The answer of a history.
pub(crate) type History = Page<Transition>;

/// What the lines come to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Recalled {
    At(Fsm),
    /// Older lines are gone: the snapshots may tell.
    Older(Box<Past>),
    History(History),
}

impl Recall {
    /// Makes the answer of the lines that are still there, in order.
    ///
    /// # Errors
    /// `not_found` where there was nothing yet.
    pub(crate) fn answer(self, lines: Vec<(u64, Event)>) -> Result<Recalled, ErrorDetail> {
        match self.what {
            What::At(at) => {
                let past = Past {
                    now: self.now,
                    at,
                    lines,
                };
                let whole = past.whole();
                whole.map_or_else(
                    || Ok(Recalled::Older(Box::new(past))),
                    |fsm| fsm.map(Recalled::At),
                )
            }
            What::History { more, ref states } => {
                Ok(Recalled::History(self.page(lines, more, states.as_deref())))
            }
        }
    }

    fn page(&self, lines: Vec<(u64, Event)>, more: bool, states: Option<&[&'static str]>) -> History {
        let wanted = |event: &Event| states.is_none_or(|states| states.contains(&event.to.as_str()));
        let found = lines.into_iter().rev().filter(|(_, event)| wanted(event));
        let found = found.map(|(event_seq, event)| Transition { event_seq, event });
        let (items, cut) = fill(found, usize::MAX);
        let last = if cut {
            items.last().map(|item| item.event_seq)
        } else {
            self.seqs.first().copied().filter(|_| more)
        };
        Page {
            items,
            next_cursor: last.map(|seq| seq.to_string()),
        }
    }
}

fn unknown_state(entity: FsmEntity, state: &str) -> ErrorDetail {
    use wagglebus_schemas::state::{AgentState, SwarmState};
    use wagglebus_schemas::task::TaskState;
    let states: Vec<&str> = match entity {
        FsmEntity::Task => TaskState::ALL.iter().map(|state| state.as_str()).collect(),
        FsmEntity::Agent => AgentState::ALL.iter().map(|state| state.as_str()).collect(),
        FsmEntity::Swarm => SwarmState::ALL.iter().map(|state| state.as_str()).collect(),
    };
    let message = format!(
        "{state:?} is no state of a machine of {entity}: use one of {}",
        states.join(", ")
    );
    invalid(message)
}

fn invalid(why: String) -> ErrorDetail {
    ErrorDetail::new(ErrorCode::InvalidQuery, why)
}
