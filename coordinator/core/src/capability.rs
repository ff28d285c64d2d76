//! Who takes a message to `capability:<name>`.

use wagglebus_schemas::state::{Presence, SessionState};
use wagglebus_schemas::{AgentId, CapabilityName};

use crate::log::crew::Crew;
use crate::roster::{Member, Roster};

/// The place of a candidate; the order of the fields is the order of comparison, and the least is chosen.
///
/// Simple on purpose: it only finds a good inbox for a message. Work that must be placed well is a task.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place<'r> {
    /// Whoever asks comes last: who wants something done by itself does not send a message.
    pub asker: bool,
    /// Late heartbeats come after punctual ones, and so does who came and went too often.
    pub late: bool,
    /// Who cannot take a message now comes after who can.
    pub held: bool,
    /// Messages in its hands and in its lanes, as its last heartbeat says.
    pub load: u64,
    /// 10 minus the declared proficiency: the best first.
    pub distance_to_mastery: u8,
    /// Settles a tie the same way everywhere.
    pub agent: &'r AgentId,
}

/// Who shall take it, or who declares the capability though nobody of them is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice<'r> {
    /// This member.
    Taken(&'r AgentId),
    /// Nobody there can, but these enrolled agents declared it, by name.
    Away(Vec<&'r AgentId>),
    /// Nobody declares it.
    Unknown,
}

/// Chooses who takes a message that `asker` sends to a capability.
pub fn choose<'r>(roster: &'r Roster, asker: &AgentId, capability: &CapabilityName) -> Choice<'r> {
    let capable: Vec<(&Member, u8)> = roster
        .members()
        .filter_map(|member| Some((member, proficiency(member, capability)?)))
        .collect();
    let best = capable
        .iter()
        .filter_map(|(member, proficiency)| place(member, *proficiency, asker))
        .min();
    match best {
        Some(place) => Choice::Taken(place.agent),
        None if capable.is_empty() => Choice::Unknown,
        None => Choice::Away(capable.into_iter().map(|(member, _)| member.agent()).collect()),
    }
}

/// Every capability that an enrolled agent declares.
pub fn declared(roster: &Roster) -> impl Iterator<Item = &CapabilityName> {
    roster
        .members()
        .flat_map(Member::capabilities)
        .map(|capability| &capability.name)
}

/// Every capability that the log knows of agents who are enrolled and were not heard yet: each that an agent had when it
/// was heard last counts for a while, also where a coordinator has just begun to listen.
pub fn awaited<'a>(roster: &'a Roster, crew: &'a Crew) -> impl Iterator<Item = &'a CapabilityName> {
    let awaited = roster.members().filter(|member| member.is_awaited());
    let entries = awaited.filter_map(|member| crew.agent(member.agent()));
    entries.flat_map(|entry| &entry.declared)
}

/// The highest proficiency that a member declares.
fn proficiency(member: &Member, capability: &CapabilityName) -> Option<u8> {
    let of_it = member
        .capabilities()
        .iter()
        .filter(|declared| declared.name == *capability);
    of_it.map(|declared| declared.proficiency.get()).max()
}

/// The member's place among the candidates; `None` when it is not there.
fn place<'r>(member: &'r Member, proficiency: u8, asker: &AgentId) -> Option<Place<'r>> {
    let late = match member.presence() {
        Presence::Alive => member.is_unsteady(),
        Presence::Suspect => true,
        Presence::Lost | Presence::Never => return None,
    };
    let heartbeat = member.heartbeat()?;
    let blocked = match heartbeat.state {
        SessionState::Starting | SessionState::Idle | SessionState::Busy => false,
        SessionState::BlockedOnHuman | SessionState::RateLimited => true,
        SessionState::Gone | SessionState::Draining | SessionState::Detached => return None,
    };
    Some(Place {
        asker: member.agent() == asker,
        late,
        held: blocked || heartbeat.hold.is_some(),
        load: member.load().unwrap_or_default(),
        distance_to_mastery: 10_u8.saturating_sub(proficiency),
        agent: member.agent(),
    })
}
