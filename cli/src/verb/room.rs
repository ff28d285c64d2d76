//! `room`: rooms, whose members all get what is posted there.

use clap::Subcommand;
use serde_json::{Value, json};
use wagglebus_client::Client;
use wagglebus_schemas::api::{Room, RoomAnswer};
use wagglebus_schemas::{AgentId, RoomName};

use crate::failure::Failure;
use crate::near::distance;
use crate::output::{Output, table};
use crate::session::Session;

/// Most pages that are asked for: 500 rooms each.
const PAGES_MAX: usize = 40;

/// Up to so many mistyped characters a name may be the one that was meant.
const DISTANCE_MAX: usize = 2;

/// Rooms: what is sent to room:NAME goes to every member; everybody is in `all` from the beginning
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Join(Join),
    Leave(Leave),
    Ls(Ls),
}

/// Join a room: what is posted there from now on comes to the inbox
#[derive(Debug, clap::Args)]
pub(crate) struct Join {
    /// The room; it need not exist before
    room: RoomName,
}

/// Leave a room
#[derive(Debug, clap::Args)]
pub(crate) struct Leave {
    /// The room
    room: RoomName,
}

/// List the rooms with their members
#[derive(Debug, clap::Args)]
pub(crate) struct Ls {}

pub(crate) async fn run(verb: Verb, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let client = session.client()?;
    let (answer, done) = match verb {
        Verb::Join(args) => (client.change_room(&args.room, true).await?, "joined"),
        Verb::Leave(args) => {
            check_member(&client, &args.room, session.sender()?).await?;
            (client.change_room(&args.room, false).await?, "left")
        }
        Verb::Ls(_) => return ls(session, output).await,
    };
    if output.json() {
        return Ok(output.body(&answer.body)?);
    }
    let RoomAnswer { name, joined_seq } = answer.value;
    output.line(format!("{name} {done}"))?;
    if joined_seq.is_some() {
        output.note(format!("write to it: wagglebus send room:{name} 'hello'"))?;
    }
    Ok(())
}

/// A name that was mistyped would be left with success, and the room that was meant would go on.
async fn check_member(client: &Client, room: &RoomName, me: AgentId) -> Result<(), Failure> {
    let (rooms, _) = all(client).await?;
    let mine = rooms.iter().filter(|room| room.joined_seq.is_some());
    let mine: Vec<&RoomName> = mine.map(|room| &room.name).collect();
    if mine.contains(&room) {
        return Ok(());
    }
    let near = |name: &&&RoomName| distance(name.as_str(), room.as_str()) <= DISTANCE_MAX;
    let similar: Vec<&str> = mine.iter().filter(near).map(|name| name.as_str()).collect();
    let fix = match similar.first() {
        Some(_) => format!(
            "did you mean {}? all rooms: wagglebus --as {me} room ls",
            similar.join(", ")
        ),
        None => format!("see which ones: wagglebus --as {me} room ls"),
    };
    Err(Failure::not_found(format!("{me} is not in room {room}"))
        .details(json!({ "similar": similar }))
        .fix(fix))
}

/// All rooms, and where more would begin.
async fn all(client: &Client) -> Result<(Vec<Room>, Option<String>), Failure> {
    let mut rooms = Vec::new();
    let mut cursor = None;
    for _ in 0..PAGES_MAX {
        let page = client.rooms(cursor.as_deref()).await?.value;
        rooms.extend(page.items);
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    Ok((rooms, cursor))
}

async fn ls(session: &Session, output: &mut Output) -> Result<(), Failure> {
    let client = session.client()?;
    let me = session.sender()?;
    let (rooms, cursor) = all(&client).await?;
    if output.json() {
        return Ok(output
            .record(&json!({ "items": rooms, "next_cursor": cursor.map_or(Value::Null, Value::from) }))?);
    }
    let mut rows = table(["ROOM", "MEMBERS", "WHO"]);
    for room in &rooms {
        let mine = if room.joined_seq.is_some() {
            ""
        } else {
            " (without you)"
        };
        let who: Vec<&str> = room.members.iter().map(|agent| agent.as_str()).collect();
        rows.add_row([
            room.name.to_string(),
            format!("{}{mine}", room.members.len()),
            who.join(","),
        ]);
    }
    output.table(&rows)?;
    if rooms.iter().all(|room| room.joined_seq.is_none()) {
        output.note(format!("{me} is in no room; join one: wagglebus room join NAME"))?;
    }
    Ok(())
}
