//! The checker's own account of a task, by its own table of TASKS 2.

use std::collections::BTreeSet;

use wagglebus_coordinator_core::log::TaskData;
use wagglebus_coordinator_core::log::data::FollowKind;
use wagglebus_schemas::event::Event;
use wagglebus_schemas::task::TaskState;
use wagglebus_schemas::{AgentId, CapabilityName, Id};

use crate::bus::Bus;
use crate::checker::{Broken, check, fail};
use crate::sabotage::Rule;

use TaskState as S;

const HELD: [TaskState; 3] = [S::Assigned, S::InProgress, S::Blocked];
const STARTED: [TaskState; 2] = [S::Assigned, S::InProgress];
const OPEN: [TaskState; 5] = [
    S::Pending,
    S::WaitingDependency,
    S::Assigned,
    S::InProgress,
    S::Blocked,
];

/// Event, guard, from, to.
type Move = (
    &'static str,
    Option<&'static str>,
    &'static [TaskState],
    TaskState,
);

/// Every move there is.
const MOVES: [Move; 18] = [
    ("ready", None, &[S::WaitingDependency], S::Pending),
    (
        "ready",
        Some("dependency_failed"),
        &[S::WaitingDependency],
        S::Failed,
    ),
    ("assign", None, &[S::Pending], S::Assigned),
    (
        "assign",
        Some("force"),
        &[S::Pending, S::Assigned, S::InProgress, S::Blocked],
        S::Assigned,
    ),
    ("accept", None, &[S::Assigned], S::InProgress),
    ("accept", Some("claim"), &[S::Pending], S::InProgress),
    ("refuse", None, &STARTED, S::Pending),
    ("progress", None, &STARTED, S::InProgress),
    ("block", None, &STARTED, S::Blocked),
    ("resume", None, &[S::Blocked], S::InProgress),
    ("complete", None, &HELD, S::Completed),
    ("complete", Some("reply"), &HELD, S::Completed),
    ("fail", None, &HELD, S::Failed),
    ("fail", Some("retryable"), &HELD, S::Pending),
    ("release", None, &HELD, S::Pending),
    ("release", Some("last_attempt"), &HELD, S::Failed),
    ("cancel", None, &OPEN, S::Cancelled),
    ("submit", None, &[], S::Pending),
];

/// What may be said again though it changes nothing.
const REPEATS: [(&str, TaskState); 7] = [
    ("accept", S::InProgress),
    ("resume", S::InProgress),
    ("block", S::Blocked),
    ("complete", S::Completed),
    ("fail", S::Failed),
    ("cancel", S::Cancelled),
    ("progress", S::InProgress),
];

/// A task.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) state: TaskState,
    pub(crate) holder: Option<AgentId>,
    pub(crate) epoch: u64,
    pub(crate) submitter: AgentId,
    pub(crate) depends_on: Vec<Id>,
    pub(crate) progress: f64,
    pub(crate) capabilities: Vec<CapabilityName>,
    /// Id of the notice of its present assignment.
    pub(crate) notice: Option<Id>,
    seq: u64,
    attempt: u32,
    max_attempts: u32,
    /// How often the operator took it from a holder: such assignments are attempts beyond what there may be.
    forced: u32,
    refused_by: BTreeSet<AgentId>,
    completions: u32,
}

impl Account {
    /// A task that an event submits. The event itself is still to come.
    pub(crate) fn new(event: &Event, data: &TaskData) -> Self {
        let draft = data.draft.clone().unwrap();
        Self {
            state: S::Pending,
            holder: None,
            epoch: 0,
            submitter: event.actor.clone(),
            depends_on: draft.depends_on,
            progress: 0.0,
            capabilities: draft.capabilities,
            notice: None,
            seq: 0,
            attempt: 0,
            max_attempts: draft.max_attempts.map_or(3, std::num::NonZero::get),
            forced: 0,
            refused_by: BTreeSet::new(),
            completions: 0,
        }
    }

    /// Whether somebody is there who can do it and did not refuse it.
    pub(crate) fn has_somebody(&self, declared: &[(&AgentId, &[CapabilityName])]) -> bool {
        declared.iter().any(|(agent, has)| {
            **agent != AgentId::operator()
                && !self.refused_by.contains(*agent)
                && self.capabilities.iter().all(|name| has.contains(name))
        })
    }

    /// Lets an event happen, if it may.
    pub(crate) fn advance(&mut self, event: &Event, data: &TaskData, known: bool) -> Result<(), Broken> {
        let from = known.then(|| self.state.to_string());
        check(
            Rule::Chain,
            event.seq == self.seq + 1 && event.from == from,
            || {
                format!(
                    "{} from {:?} comes after {} in {from:?}",
                    event.seq, event.from, self.seq
                )
            },
        )?;
        self.seq = event.seq;
        let Ok(to) = event.to.parse::<TaskState>() else {
            return fail(Rule::Table, event.to.clone());
        };
        if event.event == "refused" {
            return check(Rule::Table, to == self.state && data.error.is_some(), || {
                format!("{event:?}")
            });
        }
        if !known {
            let begins = matches!(to, S::Pending | S::WaitingDependency) && event.event == "submit";
            check(Rule::Table, begins, || format!("{event:?}"))?;
            self.state = to;
            return Ok(());
        }
        let guard = event.guard.as_deref();
        let word = event.event.as_str();
        let moves = MOVES.iter().any(|(event, needs, from, end)| {
            *event == word && *needs == guard && from.contains(&self.state) && *end == to
        });
        let repeats = to == self.state && (word == "submit" || REPEATS.contains(&(word, to)));
        check(Rule::Table, moves || repeats, || {
            format!("{word} {guard:?} from {} to {to}", self.state)
        })?;
        if moves {
            self.moved(event, data, to)?;
        }
        self.state = to;
        check(
            Rule::Attempts,
            self.attempt <= self.max_attempts + self.forced,
            || format!("attempt {} of {}", self.attempt, self.max_attempts),
        )
    }

    fn moved(&mut self, event: &Event, data: &TaskData, to: TaskState) -> Result<(), Broken> {
        if let Some(progress) = data.progress {
            self.progress = progress.get();
        }
        let by_leader = event.actor == AgentId::coordinator();
        match event.event.as_str() {
            "assign" => {
                self.takes(data)?;
                self.forced += u32::from(event.guard.is_some());
                if by_leader
                    && self
                        .holder
                        .as_ref()
                        .is_some_and(|holder| self.refused_by.contains(holder))
                {
                    return fail(Rule::Refusers, format!("{:?} refused it", self.holder));
                }
            }
            "accept" if event.guard.is_some() => {
                self.takes(data)?;
                let own = self.holder.as_ref() == Some(&event.actor);
                check(Rule::Table, own, || {
                    format!("{} claims for {:?}", event.actor, self.holder)
                })?;
            }
            "refuse" => {
                self.attempt -= 1;
                self.refused_by.insert(event.actor.clone());
                check(Rule::Attempts, data.attempt == Some(self.attempt), || {
                    format!("{event:?}")
                })?;
            }
            "complete" => {
                self.completions += 1;
                check(Rule::Completion, self.completions == 1, || {
                    "completed twice".to_owned()
                })?;
            }
            _ => {}
        }
        if to == S::Pending {
            self.holder = None;
            self.progress = 0.0;
        }
        Ok(())
    }

    /// A task is taken only from who was told of it.
    pub(crate) fn was_told(&self, event: &Event, bus: &Bus) -> Result<(), Broken> {
        let notice = self.notice.filter(|_| event.event == "release");
        let told = notice.is_none_or(|notice| bus.was_published(&notice));
        check(Rule::Told, told, || {
            format!("{:?} was never told of it", self.holder)
        })
    }

    fn takes(&mut self, data: &TaskData) -> Result<(), Broken> {
        check(Rule::Epochs, data.epoch == Some(self.epoch + 1), || {
            format!("assignment {:?} comes after {}", data.epoch, self.epoch)
        })?;
        check(Rule::Attempts, data.attempt == Some(self.attempt + 1), || {
            format!("attempt {:?} comes after {}", data.attempt, self.attempt)
        })?;
        self.epoch += 1;
        self.attempt += 1;
        let notices = data.follows.iter();
        let mut notices = notices.filter(|follow| follow.kind == FollowKind::Assigned);
        self.notice = notices.next().map(|follow| follow.id);
        self.holder.clone_from(&data.assigned_to);
        self.progress = 0.0;
        check(Rule::Table, self.holder.is_some(), || {
            "nobody holds it".to_owned()
        })
    }

    /// Everybody whom it concerns is told, and nobody else. `before` is the task before the event.
    pub(crate) fn check_follows(&self, before: Option<&Self>, data: &TaskData) -> Result<(), Broken> {
        let told = |kind| {
            let all = data.follows.iter().filter(move |follow| follow.kind == kind);
            all.map(|follow| &follow.to).collect::<Vec<_>>()
        };
        let was = before.map(|account| (account.state, account.epoch, account.holder.as_ref()));
        let state = was.map(|(state, ..)| state);
        let assigned = self.state == S::Assigned && was.is_some_and(|(_, epoch, _)| epoch != self.epoch);
        let former = was.and_then(|(state, _, holder)| holder.filter(|_| state.is_held()));
        // Who let it go by itself knows that it did.
        let taken_away = assigned || data.released.is_some();
        let ended = state != Some(self.state) && self.state.is_terminal();
        let cancelled = self.state == S::Cancelled && ended;
        let expected = [
            (FollowKind::Assigned, self.holder.as_ref().filter(|_| assigned)),
            (FollowKind::Released, former.filter(|_| taken_away || cancelled)),
            (FollowKind::Ended, Some(&self.submitter).filter(|_| ended)),
        ];
        for (kind, whom) in expected {
            let whom: Vec<_> = whom.into_iter().collect();
            check(Rule::Verdicts, told(kind) == whom, || {
                format!("{kind:?} goes to {:?} and not to {whom:?}", told(kind))
            })?;
        }
        Ok(())
    }
}
