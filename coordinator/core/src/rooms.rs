//! Rooms: who is in which, who asks to change that, and whose lanes a post wakes.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::json;
use wagglebus_schemas::api::{Page, Room, RoomRequest};
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::{AgentId, Priority, RoomName};

use crate::effect::Effect;
use crate::event::Request;
use crate::order::RoomChange;
use crate::query::{fill, limit, query};
use crate::roster::{Member, Roster};
use crate::similar::similar;
use crate::unknown::unknown_agent;

/// The query of `rooms`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RoomsQuery {
    #[serde(default)]
    limit: Option<usize>,
    #[serde(default)]
    cursor: Option<RoomName>,
}

/// A page of the rooms that somebody is in, as `request.from` sees them.
///
/// # Errors
/// When the query cannot be read.
pub(crate) fn list(roster: &Roster, request: &Request) -> Result<Page<Room>, ErrorDetail> {
    let asked: RoomsQuery = query(&request.body)?;
    let limit = limit(asked.limit)?;
    let mut rooms: BTreeMap<&RoomName, Room> = BTreeMap::new();
    for member in roster.members() {
        for membership in member.rooms() {
            let room = rooms.entry(&membership.name).or_insert_with(|| Room {
                name: membership.name.clone(),
                members: Vec::new(),
                joined_seq: None,
            });
            room.members.push(member.agent().clone());
            if *member.agent() == request.from {
                room.joined_seq = Some(membership.joined_seq);
            }
        }
    }
    let behind = |name: &RoomName| asked.cursor.as_ref().is_none_or(|cursor| name > cursor);
    let rooms = rooms.into_values().filter(|room| behind(&room.name));
    let (items, more) = fill(rooms, limit);
    let next_cursor = items
        .last()
        .filter(|_| more)
        .map(|last: &Room| last.name.to_string());
    Ok(Page { items, next_cursor })
}

/// What a request to join or leave asks for. Its answer follows once it is done.
///
/// # Errors
/// When it cannot be read, or nobody of that name is enrolled.
pub(crate) fn change(roster: &Roster, request: &Request, join: bool) -> Result<RoomChange, ErrorDetail> {
    let RoomRequest { room } = query(&request.body)?;
    if roster.member(&request.from).is_none() {
        return Err(unknown_agent(roster, &request.from));
    }
    Ok(RoomChange {
        agent: request.from.clone(),
        room,
        join,
        method: request.method,
        reply: request.reply.clone(),
    })
}

/// An agent asks for a change of rooms while another one of its own is under way.
pub(crate) fn one_at_a_time(agent: &AgentId) -> ErrorDetail {
    let what = format!("another change of the rooms of {agent} is under way");
    ErrorDetail::new(ErrorCode::RateLimited, what).retry_after_ms(100)
}

/// Whether anybody but the asker is in a room.
///
/// # Errors
/// `not_found` with close names: what is posted there reaches nobody.
pub(crate) fn resolve(roster: &Roster, asker: &AgentId, room: &RoomName) -> Result<(), ErrorDetail> {
    let others = || roster.members().filter(|member| member.agent() != asker);
    let rooms = || {
        others()
            .flat_map(Member::rooms)
            .map(|membership| &membership.name)
    };
    if rooms().any(|name| name == room) {
        return Ok(());
    }
    let names: BTreeSet<&str> = rooms().map(RoomName::as_str).collect();
    let similar = similar(room.as_str(), names);
    let hint = match similar.first() {
        Some(close) => format!("did you mean room:{close}? `wagglebus room ls` lists the rooms"),
        None => {
            "`wagglebus room ls` lists the rooms; members join with `wagglebus room join NAME`".to_owned()
        }
    };
    let what = format!("nobody else is in room {room}: a post would reach nobody, also not who joins later");
    Err(ErrorDetail::new(ErrorCode::NotFound, what)
        .hint(hint)
        .details(json!({ "similar": similar })))
}

/// Wakes the lane of each member but the author. Streams wake one recipient by themselves, rooms have many.
pub(crate) fn wake(roster: &Roster, room: &RoomName, priority: Priority, from: &AgentId) -> Vec<Effect> {
    let members = roster.members().filter(|member| member.agent() != from);
    let members = members.filter(|member| member.rooms().iter().any(|known| known.name == *room));
    members
        .map(|member| Effect::WakeLane {
            agent: member.agent().clone(),
            priority,
        })
        .collect()
}
