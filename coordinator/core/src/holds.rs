//! What keeps unfetched mail where it is: the head of each lane of a held agent gets a `held` receipt, once per hold. The
//! leader tells; whoever stands by knows who is held, and looks when it leads.
//!
//! A sidecar tells what it holds without fetching in its heartbeat; an agent whose sidecar is lost, or never came, holds
//! everything. The message behind the head waits for the head, which its sender's `trace` says without a receipt.

use std::collections::{BTreeMap, BTreeSet};

use wagglebus_schemas::reason::HoldReason;
use wagglebus_schemas::state::{Presence, SessionState};
use wagglebus_schemas::{AgentId, Priority, Timestamp};

use crate::attention::{Attended, Now};
use crate::effect::Effect;
use crate::liveness::LOST_MS;
use crate::order::{Head, HeldMail, Look};
use crate::roster::Member;

/// How long something must hold before it is told: an agent that works off its mail is busy between any two messages.
pub const HELD_AFTER_MS: u64 = 1_000;
/// Least time between two looks at the lanes of one agent.
pub const LOOK_GAP_MS: u64 = 1_000;
/// When a look that had no answer is repeated.
pub const RETRY_MS: u64 = 5_000;

/// What is held, by agent.
#[derive(Debug, Clone, Default)]
pub struct Holds {
    held: BTreeMap<AgentId, Held>,
    /// When whose lanes are looked at.
    due: BTreeSet<(Attended, AgentId)>,
}

#[derive(Debug, Clone)]
struct Held {
    reason: HoldReason,
    since: Timestamp,
    lanes: BTreeMap<Priority, Lane>,
    /// When its lanes may be looked at next.
    next_look: Attended,
    due: Option<Attended>,
    watched: bool,
}

#[derive(Debug, Clone, Copy)]
struct Lane {
    /// Something may have come.
    look: bool,
    /// A look is under way.
    looking: bool,
    /// The head whose sender was told.
    told: Option<u64>,
}

impl Holds {
    /// The earliest point at which lanes are to be looked at.
    pub fn next_due(&self) -> Option<Attended> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Takes note of how an agent stands now; `None`: it is no longer enrolled.
    pub fn refresh(
        &mut self,
        agent: &AgentId,
        member: Option<&Member>,
        now: Now,
        at: Attended,
    ) -> Vec<Effect> {
        let hold = member.and_then(|member| reason(member, now));
        let same = |held: &Held| hold.is_some_and(|(reason, since)| same_hold(held, reason, since));
        if self.held.get(agent).is_some_and(same) {
            return Vec::new();
        }
        let ended = self.held.remove(agent);
        let waited = ended.as_ref().and_then(|held| held.due);
        if let Some(due) = waited {
            self.due.remove(&(due, agent.clone()));
        }
        let was_watched = ended.is_some_and(|held| held.watched);
        if let Some((reason, since)) = hold {
            // At our start nobody has been heard yet, and whoever lives will be before it counts as lost.
            let never = member.is_some_and(|member| member.presence() == Presence::Never);
            let next_look = at.after(if never { LOST_MS } else { HELD_AFTER_MS });
            // Whoever is held for ever other reasons is held all the same.
            let next_look = waited.map_or(next_look, |due| due.min(next_look));
            let lane = Lane {
                look: true,
                looking: false,
                told: None,
            };
            let held = Held {
                reason,
                since,
                lanes: Priority::ALL.iter().map(|priority| (*priority, lane)).collect(),
                next_look,
                due: None,
                watched: was_watched,
            };
            self.held.insert(agent.clone(), held);
            self.schedule(agent, next_look);
            return Vec::new();
        }
        let unwatch = was_watched.then(|| Effect::Unwatch { agent: agent.clone() });
        unwatch.into_iter().collect()
    }

    /// Looks at the lanes whose time has come.
    pub fn wake(&mut self, at: Attended) -> Vec<Effect> {
        let mut effects = Vec::new();
        while let Some((due, agent)) = self.due.first().cloned()
            && due <= at
        {
            self.due.pop_first();
            let Some(held) = self.held.get_mut(&agent) else {
                continue;
            };
            held.due = None;
            held.next_look = at.after(LOOK_GAP_MS);
            if !std::mem::replace(&mut held.watched, true) {
                // Before the look, so that nothing comes unseen in between.
                effects.push(Effect::Watch { agent: agent.clone() });
            }
            for (priority, lane) in &mut held.lanes {
                if lane.look && !lane.looking {
                    (lane.look, lane.looking) = (false, true);
                    effects.push(Effect::LookAtHead(Look {
                        agent: agent.clone(),
                        priority: *priority,
                        since: held.since,
                    }));
                }
            }
        }
        effects
    }

    /// Something came into a lane of an agent that is watched.
    pub fn arrived(&mut self, agent: &AgentId, priority: Priority, at: Attended) {
        let Some(held) = self.held.get_mut(agent) else {
            return;
        };
        let next = held.next_look.max(at);
        if let Some(lane) = held.lanes.get_mut(&priority) {
            lane.look = true;
            if !lane.looking {
                self.schedule(agent, next);
            }
        }
    }

    /// A look ended: with the head, with nothing waiting, or without an answer.
    pub fn looked(&mut self, look: &Look, head: Result<Option<Head>, ()>, at: Attended) -> Option<Effect> {
        let held = self
            .held
            .get_mut(&look.agent)
            .filter(|held| held.since == look.since)?;
        let lane = held.lanes.get_mut(&look.priority)?;
        lane.looking = false;
        let mut next = held.next_look.max(at);
        let told = match head {
            Ok(Some(head)) if lane.told != Some(head.stream_seq) => {
                lane.told = Some(head.stream_seq);
                Some(Effect::TellHeld(HeldMail {
                    agent: look.agent.clone(),
                    message_id: head.message_id,
                    sender: head.sender,
                    reason: held.reason,
                    since: held.since,
                }))
            }
            Ok(_) => None,
            Err(()) => {
                lane.look = true;
                next = at.after(RETRY_MS);
                None
            }
        };
        if lane.look {
            self.schedule(&look.agent, next);
        }
        told
    }

    /// A sender could not be told: the head is looked at again.
    pub fn untold(&mut self, mail: &HeldMail, at: Attended) {
        let Some(held) = self
            .held
            .get_mut(&mail.agent)
            .filter(|held| held.since == mail.since)
        else {
            return;
        };
        for lane in held.lanes.values_mut() {
            (lane.look, lane.told) = (true, None);
        }
        self.schedule(&mail.agent, at.after(RETRY_MS));
    }

    /// Somebody else leads, who looks and tells. What was told here is not told again.
    pub fn stand_by(&mut self, at: Attended) -> Vec<Effect> {
        let watched: Vec<AgentId> = self
            .held
            .iter()
            .filter(|(_, held)| held.watched)
            .map(|(agent, _)| agent.clone())
            .collect();
        self.reconnected(at);
        let unwatched = watched.into_iter().map(|agent| Effect::Unwatch { agent });
        unwatched.collect()
    }

    /// The session is new: nothing is watched in it, and looks of the former one have no answer.
    pub fn reconnected(&mut self, at: Attended) {
        let agents: Vec<AgentId> = self.held.keys().cloned().collect();
        for agent in agents {
            if let Some(held) = self.held.get_mut(&agent) {
                held.watched = false;
                for lane in held.lanes.values_mut() {
                    (lane.look, lane.looking) = (true, false);
                }
            }
            self.schedule(&agent, at.after(HELD_AFTER_MS));
        }
    }

    /// An earlier time stays.
    fn schedule(&mut self, agent: &AgentId, next: Attended) {
        let Some(held) = self.held.get_mut(agent) else {
            return;
        };
        if held.due.is_some_and(|due| due <= next) {
            return;
        }
        if let Some(later) = held.due.replace(next) {
            self.due.remove(&(later, agent.clone()));
        }
        self.due.insert((next, agent.clone()));
    }
}

/// A hold that its sidecar goes on telling has kept its time; one that we found by silence began when we found it.
fn same_hold(held: &Held, reason: HoldReason, since: Timestamp) -> bool {
    held.reason == reason && (reason == HoldReason::NoSidecar || held.since == since)
}

fn reason(member: &Member, now: Now) -> Option<(HoldReason, Timestamp)> {
    let beat = member.heartbeat();
    let told = beat.and_then(|beat| Some((beat.hold?.reason, beat.hold?.since)));
    match member.presence() {
        // Its sidecar is there and says that the program is not.
        Presence::Lost if beat.is_some_and(|beat| beat.state == SessionState::Gone) => {
            told.or(Some((HoldReason::NoSidecar, now.wall)))
        }
        Presence::Lost | Presence::Never => Some((HoldReason::NoSidecar, now.wall)),
        Presence::Alive | Presence::Suspect => told,
    }
}
