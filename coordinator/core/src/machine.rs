//! The coordinator's machine: routes each event to the part that decides, and owns no rule of its own.

use std::collections::BTreeSet;

use wagglebus_schemas::AgentId;
use wagglebus_schemas::api::RoomAnswer;
use wagglebus_schemas::error::ErrorDetail;

use crate::alert::Settings;
use crate::api::{self, Outcome};
use crate::attention::{Attended, Attention, Now};
use crate::effect::{Effect, Reply};
use crate::event::{Event, Request};
use crate::holds::Holds;
use crate::lead::Lead;
use crate::order::RoomChange;
use crate::reads::{Reads, Turn};
use crate::recalls::Recalls;
use crate::resolve::Myself;
use crate::rooms;
use crate::roster::Roster;
use crate::task::FreshIds;

/// All state of a coordinator. Same state, time, ids and event always give the same effects.
#[derive(Debug, Clone)]
pub struct Machine {
    attention: Attention,
    roster: Roster,
    holds: Holds,
    lead: Lead,
    reads: Reads,
    recalls: Recalls,
    /// Whose rooms are being changed.
    changing: BTreeSet<AgentId>,
    next_wake_ms: Option<u64>,
    myself: Myself,
}

impl Machine {
    /// A coordinator that knows nobody yet and hears nothing before [`Event::BusUp`].
    pub fn new(myself: Myself) -> Self {
        Self {
            attention: Attention::default(),
            roster: Roster::default(),
            holds: Holds::default(),
            lead: Lead::new(myself.hive.clone(), myself.instance.clone()),
            reads: Reads::default(),
            recalls: Recalls::default(),
            changing: BTreeSet::new(),
            next_wake_ms: None,
            myself,
        }
    }

    /// What the operator chose about alerts.
    pub fn set_alerts(&mut self, settings: Settings) {
        self.lead.set_alerts(settings);
    }

    /// Lets something happen. Never blocks, never panics on what comes from outside.
    pub fn step(&mut self, now: Now, ids: &mut dyn FreshIds, event: Event) -> Vec<Effect> {
        let at = self.attention.advance(now.boot_ms);
        let led = self.lead.leads();
        self.roster.pass(at);
        let heard = if let Event::Heartbeat { from, .. } = &event {
            Some(from.clone())
        } else {
            None
        };
        let mut effects = self.route((now, at), ids, event);
        let changed = effects.iter().filter_map(|effect| {
            let Effect::Presence { agent, .. } = effect else {
                return None;
            };
            Some(agent.clone())
        });
        let changed: BTreeSet<AgentId> = changed.collect();
        if !changed.is_empty() {
            self.lead.roster_changed();
        }
        for agent in heard.into_iter().chain(changed).collect::<BTreeSet<_>>() {
            self.lead.heard(agent.clone());
            let member = self.roster.member(&agent);
            effects.extend(self.holds.refresh(&agent, member, now, at));
        }
        effects.extend(self.lead.tick(now, &self.roster, ids));
        // One of several coordinators looks and tells: two at the same moment would tell twice.
        let leads = self.lead.leads();
        if leads {
            effects.extend(self.holds.wake(at));
        } else if led {
            effects.extend(self.holds.stand_by(at));
        }
        let turns = self.reads.due(&self.lead, now.boot_ms);
        effects.extend(turns.into_iter().map(|turn| self.turn(turn, now)));
        let due = [self.roster.next_due(), self.holds.next_due().filter(|_| leads)];
        let promised = self.attention.promise(due.into_iter().flatten().min());
        let others = [self.lead.next_ms(), self.reads.next_ms()];
        self.next_wake_ms = promised.into_iter().chain(others.into_iter().flatten()).min();
        effects
    }

    /// The earliest `boot_ms` at which [`Event::Wake`] would change anything; the shell sleeps until then and not longer.
    pub const fn next_wake_ms(&self) -> Option<u64> {
        self.next_wake_ms
    }

    /// Who is there.
    pub const fn roster(&self) -> &Roster {
        &self.roster
    }

    /// What is known of the tasks, and whether we lead.
    pub const fn lead(&self) -> &Lead {
        &self.lead
    }

    fn route(&mut self, (now, at): (Now, Attended), ids: &mut dyn FreshIds, event: Event) -> Vec<Effect> {
        match event {
            Event::BusUp => {
                self.attention.listen(true);
                self.holds.reconnected(at);
                self.lead.connected();
                // What was under way in the former session has no answer.
                self.changing.clear();
                self.recalls.clear();
                Vec::new()
            }
            Event::BusDown => {
                self.attention.listen(false);
                let mut effects = self.roster.forget_connections(at);
                effects.extend(self.lead.disconnected(now, &self.roster, ids));
                effects
            }
            Event::Listed(enrolments) => self.roster.list(enrolments, at),
            Event::Enrolled(enrolment) => self.roster.enrol(enrolment, at).into_iter().collect(),
            Event::Removed(agent) => self.roster.remove(&agent).into_iter().collect(),
            Event::Heartbeat { from, heartbeat } => {
                let effect = self.roster.hear(from, *heartbeat, now, at);
                effect.into_iter().collect()
            }
            Event::Opened { nkey, connection } => {
                self.roster.opened(&nkey, connection, at).into_iter().collect()
            }
            Event::Closed { nkey, connection } => {
                self.roster.closed(&nkey, &connection, at).into_iter().collect()
            }
            Event::Request(request) => {
                // A request may come just before the wake-up that it must not get ahead of.
                let mut effects = self.roster.wake(at);
                let turn = self
                    .reads
                    .take(&self.lead, &self.myself.hive, request, now.boot_ms);
                effects.extend(turn.map(|turn| self.turn(turn, now)));
                effects
            }
            Event::LinesRead { number, lines } => self.recalls.ended(number, lines).into_iter().collect(),
            Event::KeptRead { number, kept } => self.recalls.kept(number, kept).into_iter().collect(),
            Event::Posted { room, priority, from } => rooms::wake(&self.roster, &room, priority, &from),
            Event::RoomChanged { change, outcome } => vec![self.room_changed(change, outcome)],
            Event::Arrived { agent, priority } => {
                self.holds.arrived(&agent, priority, at);
                Vec::new()
            }
            Event::Looked { look, head } => {
                self.lead.looked(&look, &head, now);
                let told = self.holds.looked(&look, head, at);
                told.into_iter().filter(|_| self.lead.leads()).collect()
            }
            Event::Untold(mail) => {
                self.holds.untold(&mail, at);
                Vec::new()
            }
            Event::Lead(news) => self.lead.happened(now, &self.roster, ids, news),
            Event::Wake => self.roster.wake(at),
        }
    }

    fn turn(&mut self, turn: Turn, now: Now) -> Effect {
        match turn {
            Turn::Answer(request) => self.reply(request, now),
            Turn::Refuse(request, error) => Effect::Reply(Reply {
                to: request.reply,
                method: request.method,
                outcome: Err(error),
            }),
        }
    }

    fn reply(&mut self, request: Request, now: Now) -> Effect {
        let known = api::Known {
            roster: &self.roster,
            myself: &self.myself,
            lead: &self.lead,
        };
        let outcome = match api::answer(known, &request, now) {
            Ok(Outcome::Later(change)) => {
                if self.changing.insert(change.agent.clone()) {
                    return Effect::ChangeRoom(change);
                }
                // One agent must not keep all others waiting.
                Err(rooms::one_at_a_time(&change.agent))
            }
            Ok(Outcome::Recall(recall)) => return self.recalls.begin(request, recall),
            Ok(Outcome::Body(body)) => Ok(body),
            Err(error) => Err(error),
        };
        Effect::Reply(Reply {
            to: request.reply,
            method: request.method,
            outcome,
        })
    }

    fn room_changed(&mut self, change: RoomChange, outcome: Result<Option<u64>, ErrorDetail>) -> Effect {
        self.changing.remove(&change.agent);
        let outcome = outcome.and_then(|joined_seq| {
            // The record of it may come later than a post, whose wake would then miss the new member.
            self.roster.set_room(&change.agent, &change.room, joined_seq);
            api::encoded(&RoomAnswer {
                name: change.room,
                joined_seq,
            })
        });
        Effect::Reply(Reply {
            to: change.reply,
            method: change.method,
            outcome,
        })
    }
}
