//! `room`: rooms, whose members all get what is posted there.

use clap::Subcommand;
use serde_json::{Value, json};
use wagglebus_schemas::RoomName;
use wagglebus_schemas::api::RoomAnswer;

use crate::failure::Failure;
use crate::output::{Output, table};
use crate::session::Session;

/// Most pages that are asked for: 500 rooms each.
const PAGES_MAX: usize = 40;

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
        Verb::Leave(args) => (client.change_room(&args.room, false).await?, "left"),
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

async fn ls(session: &Session, output: &mut Output) -> Result<(), Failure> {
    let client = session.client()?;
    let me = session.sender()?;
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
