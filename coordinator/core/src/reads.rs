//! Questions that wait until what was decided is stored: nobody hears of what may still turn out never to have happened.

use std::collections::VecDeque;

use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::fsm_api::FsmRequest;
use wagglebus_schemas::subject::ApiMethod;
use wagglebus_schemas::task_api::TaskRequest;
use wagglebus_schemas::{AgentId, Hive};

use crate::event::Request;
use crate::fsm::query::entity;
use crate::lead::Lead;
use crate::log::Entity;
use crate::query::query;

/// How long a question waits, in milliseconds; an append takes a few.
const WAIT_MS: u64 = 1_500;
/// Most questions that wait; further ones are refused at once.
const WAITING_MAX: usize = 4_096;

/// A question that waits.
#[derive(Debug, Clone)]
struct Waiting {
    request: Request,
    /// Until this line of the log is stored.
    until: u64,
    deadline_ms: u64,
}

/// The questions that wait, in the order in which they came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reads {
    waiting: VecDeque<Waiting>,
}

/// What is to be done with a question.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Turn {
    /// Answer it now.
    Answer(Request),
    /// Refuse it.
    Refuse(Request, ErrorDetail),
}

impl Reads {
    /// Takes a question: it is answered now, or when its turn comes.
    pub(crate) fn take(&mut self, lead: &Lead, hive: &Hive, request: Request, now_ms: u64) -> Option<Turn> {
        let until = lead.stored().map_or(0, |stored| {
            needs(lead, hive, &request)
                .filter(|seq| *seq > stored)
                .unwrap_or(0)
        });
        if until == 0 {
            return Some(Turn::Answer(request));
        }
        if self.waiting.len() >= WAITING_MAX {
            return Some(Turn::Refuse(request, unstored()));
        }
        self.waiting.push_back(Waiting {
            request,
            until,
            deadline_ms: now_ms.saturating_add(WAIT_MS),
        });
        None
    }

    /// The questions whose turn has come.
    pub(crate) fn due(&mut self, lead: &Lead, now_ms: u64) -> Vec<Turn> {
        if self.waiting.is_empty() {
            return Vec::new();
        }
        let (stored, last) = (lead.stored(), lead.world().last());
        let mut turns = Vec::new();
        self.waiting.retain(|waiting| {
            // What is beyond the end was decided by a leader that is none any more.
            let ready = stored.is_none_or(|stored| waiting.until <= stored) || waiting.until > last;
            let late = now_ms >= waiting.deadline_ms;
            if ready {
                turns.push(Turn::Answer(waiting.request.clone()));
            } else if late {
                turns.push(Turn::Refuse(waiting.request.clone(), unstored()));
            }
            !(ready || late)
        });
        turns
    }

    /// When a question has waited long enough.
    pub(crate) fn next_ms(&self) -> Option<u64> {
        self.waiting.front().map(|waiting| waiting.deadline_ms)
    }
}

/// The last line of the log that an answer would tell of; `None` where it tells of none.
fn needs(lead: &Lead, hive: &Hive, request: &Request) -> Option<u64> {
    let world = lead.world();
    match request.method {
        ApiMethod::Task | ApiMethod::Explain => {
            let TaskRequest { id } = query(&request.body).ok()?;
            Some(world.last_of(&Entity::Task(id)))
        }
        ApiMethod::Tasks | ApiMethod::Alerts => Some(world.last()),
        ApiMethod::Fsm => {
            let request: FsmRequest = query(&request.body).ok()?;
            Some(world.last_of(&entity(hive, &request).ok()?))
        }
        ApiMethod::Agent => {
            let agent: AgentId = crate::api::asked_agent(request)?;
            Some(
                world
                    .last_of(&Entity::Agent(agent))
                    .max(world.last_of(&Entity::Swarm)),
            )
        }
        // Lists of who is there do not wait: what they tell of machines may be some milliseconds ahead of the log.
        ApiMethod::Agents | ApiMethod::Resolve | ApiMethod::Rooms | ApiMethod::Join | ApiMethod::Leave => {
            None
        }
    }
}

fn unstored() -> ErrorDetail {
    ErrorDetail::new(
        ErrorCode::CoordinatorUnavailable,
        "what was decided about it is not stored yet: the log takes nothing at present",
    )
    .hint("`wagglebus doctor` looks at the streams")
    .retry_after_ms(500)
}
