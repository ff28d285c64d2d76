//! `dlq retry`: publishes dead messages again, as new messages of their senders.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use wagglebus_nats::bus::{Bus, Outgoing, Stored};
use wagglebus_nats::error::Retry;
use wagglebus_nats::jetstream::JetStream;
use wagglebus_nats::keys::BusUser;
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::stream::Stream;
use wagglebus_schemas::{Hive, Id, Timestamp, headers};

use super::letters;
use super::letters::with_id;
use super::renew::{Renewed, renew};
use crate::failure::Failure;
use crate::output::Output;
use crate::session::Session;
use crate::target::BusArgs;
use crate::value;

/// How often a publish without an ack is repeated, under the same id.
const TRIES: u32 = 3;

/// Send dead messages again: new ids, same sender, recipient, text and conversation; metadata.retry_of names the old one
///
/// It goes to the recipient as if its sender had sent it once more: published by the administrator under the sender's
/// subject. A time after which it was not to be delivered (metadata.expires_at) is left out. The dead letter stays.
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
    #[command(flatten)]
    bus: BusArgs,
}

pub(crate) async fn run(args: Args, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let hive = session.places().hive();
    let letters = letters(&args.bus, session, output).await?;
    // Everything is looked at before anything is sent.
    let mut renewed = BTreeMap::new();
    for id in &args.ids {
        let id = value::id(id)?;
        for found in with_id(&letters, id)? {
            let new = Id::from_uuid(uuid::Uuid::now_v7());
            let message = renew(hive, found, new, now()?).map_err(|why| {
                Failure::invalid(format!("{id} cannot be sent again: {why}"))
                    .fix(format!("see it: wagglebus dlq show {id}"))
            })?;
            renewed.entry(found.letter.id).or_insert((id, message));
        }
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
    renewed: impl Iterator<Item = (Id, Renewed)>,
    items: &mut Vec<Value>,
    output: &mut Output,
) -> Result<(), Failure> {
    let hive = session.places().hive();
    // Only the administrator may publish under another's name.
    let connection = args.bus.connect(session, BusUser::Admin).await?;
    let (bus, _late) = JetStream::new(connection.clone());
    for (old, renewed) in renewed {
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
        let seq = publish(&bus, hive, &renewed).await?.seq;
        items.push(json!({ "retry_of": old, "id": message.id, "stream_seq": seq }));
        if !output.json() {
            output.line(format!("{} stored", message.id))?;
            output.note(note)?;
        }
    }
    connection.close().await;
    Ok(())
}

async fn publish(bus: &JetStream, hive: &Hive, renewed: &Renewed) -> Result<Stored, Failure> {
    let message = &renewed.message;
    let mut tries = 1;
    loop {
        let record = Outgoing {
            subject: renewed.subject.clone(),
            id: message.id,
            expected_stream: Some(Stream::Messages.name(hive)),
            headers: vec![
                (headers::CE_SPECVERSION, headers::CE_SPECVERSION_VALUE.to_owned()),
                (headers::CE_ID, message.id.to_string()),
                (headers::CE_TYPE, message.event_type()),
                (headers::CE_SOURCE, format!("/{hive}/{}", message.from_agent)),
                (headers::CE_SUBJECT, message.to_agent.to_string()),
                (headers::CE_TIME, message.timestamp.to_string()),
            ],
            payload: renewed.bytes.clone().into(),
            expected_last_subject_seq: None,
        };
        let stored = match bus.send(record).await {
            Ok(ack) => ack.await,
            Err(error) => Err(error),
        };
        match stored {
            Ok(stored) => return Ok(stored),
            Err(error) if error.retry() == Retry::SameId && tries < TRIES => tries += 1,
            Err(error) => return Err(Failure::caused(&error).coded(ErrorCode::BusUnreachable)),
        }
    }
}

fn now() -> Result<Timestamp, Failure> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
        .map_err(|error| Failure::caused(&error))
}
