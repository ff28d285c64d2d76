//! `dlq retry`: publishes dead messages again, as new messages of their senders.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use wagglebus_nats::jetstream::JetStream;
use wagglebus_nats::keys::BusUser;
use wagglebus_schemas::Id;

use super::letters::{Found, with_id};
use super::mark::Retried;
use super::publish::publish;
use super::renew::{Renewed, renew};
use super::{letters, mark};
use crate::failure::Failure;
use crate::filter::now;
use crate::output::Output;
use crate::session::Session;
use crate::target::BusArgs;
use crate::value;

/// Send dead messages again: new ids, same sender, recipient, text and conversation; metadata.retry_of names the old one
///
/// It goes to the recipient as if its sender had sent it once more: published by the administrator under the sender's
/// subject. A time after which it was not to be delivered (metadata.expires_at) is left out. The dead letter stays, and
/// shows what was sent instead; to send that once more needs --again.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The messages, or the dead letters themselves
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    /// Only say what would be sent
    #[arg(long)]
    dry_run: bool,
    /// Send several
    #[arg(long)]
    yes: bool,
    /// Also what was sent again before
    #[arg(long)]
    again: bool,
    /// The new message's id, for one dead letter: to repeat a retry of which nobody knows whether it was stored
    #[arg(long, value_name = "UUID", conflicts_with = "yes")]
    id: Option<String>,
    #[command(flatten)]
    bus: BusArgs,
}

pub(crate) async fn run(args: Args, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let hive = session.places().hive();
    let given = args.id.as_deref().map(value::id).transpose()?;
    let letters = letters(&args.bus, session, output).await?;
    // Everything is looked at before anything is sent.
    let mut renewed = BTreeMap::new();
    for id in &args.ids {
        let id = value::id(id)?;
        for found in with_id(&letters, id)? {
            let new = given.unwrap_or_else(|| Id::from_uuid(uuid::Uuid::now_v7()));
            if given.is_some() && found.letter.message_id == given {
                // Its recipient has ended it under this id, and would never show it again.
                return Err(Failure::invalid(format!("{new} is the id of the dead message"))
                    .fix("leave --id out: a retry is a new message"));
            }
            if let Some(before) = found.retried.last().filter(|_| !args.again && given.is_none()) {
                return Err(sent_before(id, *before));
            }
            let message = renew(hive, found, new, now()).map_err(|why| {
                Failure::invalid(format!("{id} cannot be sent again: {why}"))
                    .fix(format!("see it: wagglebus dlq show {id}"))
            })?;
            renewed.entry(found.letter.id).or_insert((id, found, message));
        }
    }
    if renewed.len() > 1 && given.is_some() {
        return Err(Failure::usage(&format!(
            "--id names one message, and {} would be sent",
            renewed.len()
        )));
    }
    if renewed.len() > 1 && !args.yes && !args.dry_run {
        return Err(
            Failure::usage(&format!("{} messages would be sent", renewed.len()))
                .fix("see them with --dry-run; send them with --yes"),
        );
    }
    let mut items = Vec::new();
    let sent = send(&args, session, renewed.into_values(), &mut items, output).await;
    // Also when a later one failed: what was sent shall not be sent once more.
    if output.json() {
        output.record(&json!({ "items": items }))?;
    }
    sent
}

async fn send(
    args: &Args,
    session: &Session,
    renewed: impl Iterator<Item = (Id, &Found, Renewed)>,
    items: &mut Vec<Value>,
    output: &mut Output,
) -> Result<(), Failure> {
    let hive = session.places().hive();
    // Only the administrator may publish under another's name.
    let connection = args.bus.connect(session, BusUser::Admin).await?;
    let (bus, _late) = JetStream::new(connection.clone());
    for (old, found, renewed) in renewed {
        let message = &renewed.message;
        if renewed.expired {
            output.note(format!("{old}: its expires_at is left out"))?;
        }
        let note = format!("retries {old}, {} → {}", message.from_agent, message.to_agent);
        if args.dry_run {
            items.push(json!({ "retry_of": old, "message": message }));
            output.note(format!("would be sent: {note}"))?;
            continue;
        }
        if let Some(before) = found.retried.iter().find(|before| before.id == message.id) {
            let item = json!({ "retry_of": old, "id": before.id, "stream_seq": before.seq });
            tell(item, before.id, items, output)?;
            output.note("note: sent before under this id; it is delivered once")?;
            continue;
        }
        let stored = match publish(&bus, hive, &renewed).await {
            Ok(stored) => stored,
            Err(failed) => return Err(failed.explain(old, message.id)),
        };
        if stored.duplicate {
            output.note("note: sent before under this id; it is delivered once")?;
        }
        let item = json!({ "retry_of": old, "id": message.id, "stream_seq": stored.seq });
        tell(item, message.id, items, output)?;
        if !output.json() {
            output.note(note)?;
        }
        let own = Id::from_uuid(uuid::Uuid::now_v7());
        let retried = Retried {
            id: message.id,
            seq: stored.seq,
            at: now(),
        };
        let mark = mark::retry_of(hive, found, retried, own);
        if let Err(failed) = mark::put(&bus, hive, &mark).await {
            // It is on its way all the same.
            let why = failed.failure().what();
            output.note(format!(
                "note: the dead letter does not show it: {why}; do not retry it again"
            ))?;
        }
    }
    connection.close().await;
    Ok(())
}

/// Tells of a message that is stored.
fn tell(item: Value, id: Id, items: &mut Vec<Value>, output: &mut Output) -> Result<(), Failure> {
    items.push(item);
    if !output.json() {
        output.line(format!("{id} stored"))?;
    }
    Ok(())
}

fn sent_before(old: Id, before: Retried) -> Failure {
    let Retried { id, at, .. } = before;
    Failure::refused_text(format!("{old} was sent again before, as {id} at {at}"))
        .details(json!({ "retry_of": old, "id": id, "at": at }))
        .fix(format!(
            "see whether that one is done: wagglebus history --everybody --since {at}; send it once more: wagglebus dlq \
             retry --again {old}"
        ))
}
