//! The roster: a fold of enrolment records, heartbeats and the server's notices into who is there.

use std::collections::{BTreeMap, BTreeSet};

use wagglebus_schemas::agent::Agent;
use wagglebus_schemas::enrolment::{Enrolment, RoomMembership};
use wagglebus_schemas::heartbeat::{Capability, Heartbeat};
use wagglebus_schemas::state::Presence;
use wagglebus_schemas::{AgentId, Priority, Resources, RoomName};

use crate::attention::{Attended, Now};
use crate::effect::{Effect, Ignored};
use crate::liveness::{Beat, Connection, Vitals};
use crate::steady::Steadiness;

/// Most agents without an enrolment whose life signs are remembered.
pub const STRANGERS_MAX: usize = 256;

/// Who is there. Entries do not depend on each other.
#[derive(Debug, Clone, Default)]
pub struct Roster {
    members: BTreeMap<AgentId, Member>,
    /// Life signs that came before the enrolment did: the two travel on different ways.
    strangers: BTreeMap<AgentId, Vitals>,
    by_key: BTreeMap<String, AgentId>,
    /// When whose presence changes by silence.
    due: BTreeSet<(Attended, AgentId)>,
    /// When something else changes by time, of which nobody is told: nothing wakes for it.
    later: BTreeSet<(Attended, AgentId)>,
    listed: bool,
    /// When the first heartbeat came since we were last cut off, by the clock of durations.
    heard_since_ms: Option<u64>,
}

/// An enrolled agent.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    enrolment: Enrolment,
    vitals: Vitals,
    presence: Presence,
    due: Option<Attended>,
    steadiness: Steadiness,
    /// It came and went too often to be given work now.
    unsteady: bool,
    /// What it declared counts no more.
    expired: bool,
    later: Option<Attended>,
}

impl Member {
    /// Its name.
    pub const fn agent(&self) -> &AgentId {
        &self.enrolment.agent
    }

    /// Its presence at the last step.
    pub const fn presence(&self) -> Presence {
        self.presence
    }

    /// Its last heartbeat.
    pub fn heartbeat(&self) -> Option<&Heartbeat> {
        self.vitals.beat().map(|beat| &beat.heartbeat)
    }

    /// What it declares; nothing an hour after its last heartbeat ([`crate::liveness::DECLARED_MS`]).
    pub fn capabilities(&self) -> &[Capability] {
        let declared = self.heartbeat().filter(|_| !self.expired);
        declared.map_or(&[][..], |heartbeat| &heartbeat.capabilities[..])
    }

    /// Whether it was never heard, and what it declared before we listened still counts.
    pub fn is_awaited(&self) -> bool {
        self.heartbeat().is_none() && !self.expired
    }

    /// What it has for tasks, as far as it declares that.
    pub fn resources(&self) -> Option<&Resources> {
        self.heartbeat()?.resources.as_ref().filter(|_| !self.expired)
    }

    /// How many tasks it works on at once.
    pub fn slots(&self) -> u32 {
        let slots = self.heartbeat().and_then(|heartbeat| heartbeat.slots);
        slots.map_or(1, |slots| u32::from(slots.get()))
    }

    /// Whether it came and went too often to be given work now ([`Steadiness`]).
    pub const fn is_unsteady(&self) -> bool {
        self.unsteady
    }

    /// Messages in its hands and in its lanes, as its last heartbeat says.
    pub fn load(&self) -> Option<u64> {
        let heartbeat = self.heartbeat()?;
        let in_flight = u64::try_from(heartbeat.in_flight.len()).unwrap_or(u64::MAX);
        let pending = Priority::ALL
            .iter()
            .map(|priority| heartbeat.inbox.get(*priority).pending);
        Some(pending.fold(in_flight, u64::saturating_add))
    }

    /// What it is there for, in words.
    pub fn role(&self) -> Option<&str> {
        self.enrolment.role.as_deref()
    }

    /// Its rooms.
    pub fn rooms(&self) -> &[RoomMembership] {
        &self.enrolment.rooms
    }

    /// The record that is shown of it.
    pub fn record(&self) -> Agent {
        let beat = self.vitals.beat();
        let heartbeat = self.heartbeat();
        Agent {
            agent: self.enrolment.agent.clone(),
            presence: self.presence,
            state: heartbeat.map(|h| h.state),
            fsm: None,
            control: None,
            bridges: heartbeat.map(|h| h.bridges.clone()).unwrap_or_default(),
            capabilities: self.capabilities().to_vec(),
            rooms: self.enrolment.rooms.clone(),
            epoch: heartbeat.map(|h| h.epoch).unwrap_or_default(),
            version: heartbeat.map(|h| h.version.clone()).unwrap_or_default(),
            ephemeral: self.enrolment.ephemeral,
            enrolled_at: self.enrolment.at,
            last_seen: beat.map(|beat| beat.seen),
            load: self.load(),
            stale: false,
        }
    }
}

impl Roster {
    /// Whether all enrolments were listed once; before that nobody can be said to be unknown.
    pub const fn is_listed(&self) -> bool {
        self.listed
    }

    /// Everybody enrolled, by name.
    pub fn members(&self) -> impl DoubleEndedIterator<Item = &Member> {
        self.members.values()
    }

    /// Everybody enrolled whose name comes after `agent`.
    pub fn members_after(&self, agent: &AgentId) -> impl Iterator<Item = &Member> {
        let after = (
            std::ops::Bound::Excluded(agent.clone()),
            std::ops::Bound::Unbounded,
        );
        self.members.range(after).map(|(_, member)| member)
    }

    /// One enrolled agent.
    pub fn member(&self, agent: &AgentId) -> Option<&Member> {
        self.members.get(agent)
    }

    /// Notes that an agent is in a room since `joined_seq`, or with `None` that it is not; its record will say the same.
    pub fn set_room(&mut self, agent: &AgentId, room: &RoomName, joined_seq: Option<u64>) {
        let Some(member) = self.members.get_mut(agent) else {
            return;
        };
        let rooms = &mut member.enrolment.rooms;
        rooms.retain(|known| known.name != *room);
        rooms.extend(joined_seq.map(|joined_seq| RoomMembership {
            name: room.clone(),
            joined_seq,
        }));
    }

    /// The earliest point at which somebody's presence changes by silence.
    pub fn next_due(&self) -> Option<Attended> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Replaces who is enrolled; life signs of those who stay are kept.
    pub fn list(&mut self, enrolments: Vec<Enrolment>, now: Attended) -> Vec<Effect> {
        let listed: BTreeMap<AgentId, Enrolment> =
            enrolments.into_iter().map(|e| (e.agent.clone(), e)).collect();
        let gone: Vec<AgentId> = self
            .members
            .keys()
            .filter(|agent| !listed.contains_key(*agent))
            .cloned()
            .collect();
        self.listed = true;
        let removed = gone
            .iter()
            .filter_map(|agent| self.remove(agent))
            .collect::<Vec<_>>();
        let enrolled = listed.into_values().filter_map(|e| self.enrol(e, now));
        removed.into_iter().chain(enrolled).collect()
    }

    /// Adds an agent, or changes its enrolment.
    pub fn enrol(&mut self, enrolment: Enrolment, now: Attended) -> Option<Effect> {
        let agent = enrolment.agent.clone();
        let known = self.members.remove(&agent);
        let shown = known.as_ref().map(|member| member.presence);
        if let Some(member) = &known {
            self.forget_key(member);
        }
        self.by_key.insert(enrolment.nkey.clone(), agent.clone());
        let member = match known {
            Some(member) => Member { enrolment, ..member },
            None => Member {
                enrolment,
                vitals: self.strangers.remove(&agent).unwrap_or_default(),
                presence: Presence::Never,
                due: None,
                steadiness: Steadiness::default(),
                unsteady: false,
                expired: false,
                later: None,
            },
        };
        let presence = member.vitals.presence(now);
        self.members.insert(agent.clone(), Member { presence, ..member });
        self.reschedule(&agent, now);
        changed(agent, shown, Some(presence))
    }

    /// Removes an agent with all that is known of it.
    pub fn remove(&mut self, agent: &AgentId) -> Option<Effect> {
        let member = self.members.remove(agent)?;
        self.forget_key(&member);
        if let Some(due) = member.due {
            self.due.remove(&(due, agent.clone()));
        }
        if let Some(later) = member.later {
            self.later.remove(&(later, agent.clone()));
        }
        changed(agent.clone(), Some(member.presence), None)
    }

    /// For how long heartbeats have been heard without a break, in milliseconds; 0 while none was.
    pub fn heard_for_ms(&self, now: Now) -> u64 {
        self.heard_since_ms
            .map_or(0, |since_ms| now.boot_ms.saturating_sub(since_ms))
    }

    /// Takes a heartbeat that `from` sent.
    pub fn hear(&mut self, from: AgentId, heartbeat: Heartbeat, now: Now, at: Attended) -> Option<Effect> {
        if heartbeat.agent != from {
            return Some(Effect::Ignored(Ignored::Forged {
                what: "heartbeat",
                sender: from,
                claimed: heartbeat.agent,
            }));
        }
        self.heard_since_ms.get_or_insert(now.boot_ms);
        let (epoch, seq) = (heartbeat.epoch, heartbeat.seq);
        let beat = Beat {
            heartbeat,
            arrived: at,
            seen: now.wall,
        };
        let heard = match self.members.get_mut(&from) {
            Some(member) => member.vitals.hear(beat),
            None => match self.stranger(&from, at) {
                Some(vitals) => vitals.hear(beat),
                None => return Some(Effect::Ignored(Ignored::Stranger { agent: from })),
            },
        };
        if heard {
            self.refresh(&from, at)
        } else {
            Some(Effect::Ignored(Ignored::Stale {
                agent: from,
                epoch,
                seq,
            }))
        }
    }

    /// The server reports a new connection of the user with this key.
    pub fn opened(&mut self, nkey: &str, connection: Connection, at: Attended) -> Option<Effect> {
        let agent = self.by_key.get(nkey)?.clone();
        self.members.get_mut(&agent)?.vitals.opened(connection, at);
        self.refresh(&agent, at)
    }

    /// The server reports the end of a connection of the user with this key.
    pub fn closed(&mut self, nkey: &str, connection: &Connection, at: Attended) -> Option<Effect> {
        let agent = self.by_key.get(nkey)?.clone();
        self.members.get_mut(&agent)?.vitals.closed(connection, at);
        self.refresh(&agent, at)
    }

    /// Forgets which connections are open: we were cut off and missed notices.
    pub fn forget_connections(&mut self, at: Attended) -> Vec<Effect> {
        self.heard_since_ms = None;
        let agents: Vec<AgentId> = self.members.keys().cloned().collect();
        for member in self.members.values_mut() {
            member.vitals.forget_connections();
        }
        agents
            .iter()
            .filter_map(|agent| self.refresh(agent, at))
            .collect()
    }

    /// Judges everybody whose time has come.
    pub fn wake(&mut self, at: Attended) -> Vec<Effect> {
        let mut effects = Vec::new();
        while let Some((due, agent)) = self.due.first().cloned()
            && due <= at
        {
            effects.extend(self.refresh(&agent, at));
        }
        effects
    }

    /// Lets pass what ends by time and nobody is told of.
    pub fn pass(&mut self, at: Attended) {
        while let Some((later, agent)) = self.later.first().cloned()
            && later <= at
        {
            self.settle(&agent, at);
        }
    }

    /// The life signs of somebody who is not enrolled, or `None` when too many such are remembered.
    fn stranger(&mut self, agent: &AgentId, at: Attended) -> Option<&mut Vitals> {
        if !self.strangers.contains_key(agent) && self.strangers.len() >= STRANGERS_MAX {
            self.strangers
                .retain(|_, vitals| vitals.presence(at) != Presence::Lost);
            if self.strangers.len() >= STRANGERS_MAX {
                return None;
            }
        }
        Some(self.strangers.entry(agent.clone()).or_default())
    }

    fn forget_key(&mut self, member: &Member) {
        let nkey = &member.enrolment.nkey;
        if self.by_key.get(nkey) == Some(member.agent()) {
            self.by_key.remove(nkey);
        }
    }

    fn refresh(&mut self, agent: &AgentId, at: Attended) -> Option<Effect> {
        let member = self.members.get_mut(agent)?;
        let shown = member.presence;
        let presence = member.vitals.presence(at);
        member.presence = presence;
        member.steadiness.changed(shown, presence, at);
        self.reschedule(agent, at);
        changed(agent.clone(), Some(shown), Some(presence))
    }

    /// Renews the agent's place in `due`. Whoever is judged at or after its time gets a later one or none, so
    /// [`Roster::wake`] ends.
    fn reschedule(&mut self, agent: &AgentId, at: Attended) {
        let Some(member) = self.members.get_mut(agent) else {
            return;
        };
        let due = member.vitals.next_change(at);
        if due != member.due {
            if let Some(old) = std::mem::replace(&mut member.due, due) {
                self.due.remove(&(old, agent.clone()));
            }
            if let Some(new) = due {
                self.due.insert((new, agent.clone()));
            }
        }
        self.settle(agent, at);
    }

    /// Judges whether the agent is steady and what it declared counts, and renews its place in `later`: what is over at
    /// `at` has none there, so [`Roster::pass`] ends.
    fn settle(&mut self, agent: &AgentId, at: Attended) {
        let Some(member) = self.members.get_mut(agent) else {
            return;
        };
        let steady = member.steadiness.until(at);
        let declared = Some(member.vitals.declared_until()).filter(|until| *until > at);
        member.unsteady = steady.is_some();
        member.expired = declared.is_none();
        let later = [steady, declared];
        let later = later.into_iter().flatten().min();
        if later == member.later {
            return;
        }
        if let Some(old) = std::mem::replace(&mut member.later, later) {
            self.later.remove(&(old, agent.clone()));
        }
        if let Some(new) = later {
            self.later.insert((new, agent.clone()));
        }
    }
}

fn changed(agent: AgentId, from: Option<Presence>, to: Option<Presence>) -> Option<Effect> {
    (from != to).then_some(Effect::Presence { agent, from, to })
}
