//! `replay`: hands stored messages out once more, as new messages of whoever replays them (ADR 27).

use std::time::Duration;

use serde_json::{Map, Value, json};
use wagglebus_client::{Client, SendOptions};
use wagglebus_schemas::message::metadata;
use wagglebus_schemas::{AgentId, Draft, Id, Level, Recipient};

use crate::failure::Failure;
use crate::filter::{Filter, FilterArgs, TimeArgs};
use crate::history::{Kept, Source};
use crate::output::Output;
use crate::printable;
use crate::session::Session;
use crate::target::BusArgs;
use crate::value;
use crate::verb::sending::deliver;

/// Key of a message's metadata: the message that it repeats.
const REPLAY_OF: &str = "replay_of";
/// Key of a message's metadata: who wrote that one, if it was somebody else.
const REPLAY_FROM: &str = "replay_from";
/// What belongs to one hand-over or one sender, and would be untrue of another.
const NOT_REPEATED: [&str; 10] = [
    "expires_at",
    "hop",
    "via",
    "idempotency_key",
    "kind",
    "enc",
    "sig",
    "task",
    "epoch",
    "emergency",
];

/// How long each message may take to be stored.
const STORED_WITHIN: Duration = Duration::from_secs(5);

/// Send stored messages once more, or print them
///
/// Each becomes a new message from you, with the text, type, priority and conversation of the old one; metadata.replay_of
/// names that one, and metadata.replay_from who wrote it. Without --to it goes to the recipient that it went to. What
/// died undelivered is sent again in its sender's name by `dlq retry`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  wagglebus replay ID --to bob
  wagglebus replay --with worker --since 1h --dry-run
  wagglebus replay --everybody --conversation ID --to - > conversation.jsonl")]
pub(crate) struct Args {
    /// The messages; else those that the options choose, oldest first
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// Another recipient: an agent, a room, or capability:NAME; - prints them as published, one a line
    #[arg(long, value_name = "TO", allow_hyphen_values = true)]
    to: Option<String>,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    times: TimeArgs,
    /// At most this many of the newest
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    /// What everybody wrote, not only you
    #[arg(long)]
    everybody: bool,
    /// Only say what would be sent
    #[arg(long)]
    dry_run: bool,
    /// Send several
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    bus: BusArgs,
}

/// Where they go.
enum Goal {
    Back,
    To(Recipient),
    Print,
}

pub(crate) async fn run(args: Args, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let goal = match args.to.as_deref() {
        None => Goal::Back,
        Some("-") => Goal::Print,
        Some(to) => Goal::To(value::recipient(to)?),
    };
    let me = session.sender()?;
    let kept = choose(&args, session, &me, output).await?;
    if let Goal::Print = goal {
        for kept in &kept {
            output.record(&kept.body)?;
        }
        return Ok(());
    }
    let drafts: Vec<(Id, Draft)> = kept
        .iter()
        .map(|kept| (kept.message.id, again(kept, &goal, &me)))
        .collect();
    if drafts.len() > 1 && !args.yes && !args.dry_run {
        return Err(
            Failure::usage(&format!("{} messages would be sent", drafts.len()))
                .fix("see them with --dry-run; send them with --yes"),
        );
    }
    let mut items = Vec::new();
    let sent = if args.dry_run {
        for (old, draft) in &drafts {
            items.push(json!({ "replay_of": old, "draft": draft }));
            output.note(format!(
                "would be sent: {old} to {}: {}",
                draft.to_agent,
                printable::line(&draft.content, 60)
            ))?;
        }
        Ok(())
    } else {
        send(&session.client()?, drafts, &mut items, output).await
    };
    // Also when a later one failed: what was sent shall not be sent once more.
    if output.json() {
        output.record(&json!({ "items": items }))?;
    }
    sent
}

/// The messages that are meant, oldest first; never none.
async fn choose(
    args: &Args,
    session: &Session,
    me: &AgentId,
    output: &mut Output,
) -> Result<Vec<Kept>, Failure> {
    let filter = Filter::new(&args.filter, &args.times)?;
    if args.ids.is_empty() == filter.takes_all() {
        return Err(Failure::usage(&if args.ids.is_empty() {
            "which messages?"
        } else {
            "ids and options that choose exclude each other"
        })
        .fix("name them by id, or choose them: wagglebus replay --with AGENT --since 1h --dry-run"));
    }
    let source = Source::open(session, &args.bus, false).await?;
    if !args.ids.is_empty() {
        let mut kept = Vec::new();
        for id in &args.ids {
            kept.push(source.find(session, value::id(id)?).await?);
        }
        return Ok(kept);
    }
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let history = if args.everybody {
        source.all(&filter, limit).await?
    } else {
        source.of(session, me, &filter, limit).await?
    };
    if history.items.is_empty() {
        let nothing = format!("nothing found {}", source.describe());
        return Err(
            Failure::contract(wagglebus_schemas::error::ErrorCode::NotFound, nothing)
                .fix("look with the same options: wagglebus history"),
        );
    }
    if history.more {
        output.note(format!("note: only the newest {limit}; more with --limit N"))?;
    }
    Ok(history.items)
}

/// The message as it is sent once more. It is the caller's: nobody speaks in another's name.
fn again(kept: &Kept, goal: &Goal, me: &AgentId) -> Draft {
    let old = &kept.message;
    let mut about: Map<String, Value> = old.metadata.clone();
    about.retain(|key, _| !NOT_REPEATED.contains(&key.as_str()) && key != metadata::CAPABILITY);
    about.insert(REPLAY_OF.into(), old.id.to_string().into());
    if old.from_agent == *me {
        about.remove(REPLAY_FROM);
    } else {
        about.insert(REPLAY_FROM.into(), old.from_agent.to_string().into());
    }
    Draft {
        to_agent: match goal {
            Goal::To(to) => to.clone(),
            Goal::Back | Goal::Print => old.to_agent.clone(),
        },
        content: old.content.clone(),
        priority: old.priority,
        message_type: old.message_type,
        conversation_id: Some(old.conversation_id),
        metadata: about,
        id: Some(Id::from_uuid(uuid::Uuid::now_v7())),
        from_agent: None,
    }
}

/// One after the other: they arrive in the order in which they were written.
async fn send(
    client: &Client,
    drafts: Vec<(Id, Draft)>,
    items: &mut Vec<Value>,
    output: &mut Output,
) -> Result<(), Failure> {
    let options = SendOptions {
        wait: Some(Level::Stored),
        timeout: Some(STORED_WITHIN),
        park: false,
    };
    let all = drafts.len();
    for (count, (old, draft)) in drafts.into_iter().enumerate() {
        let Some(id) = draft.id else { continue };
        let sent = deliver(client, id, &draft, options, output).await;
        let sent = sent.map_err(|failure| match (all, failure.why_said()) {
            (1, _) | (_, Some(_)) => failure,
            (_, None) => failure.why(format!("{count} of {all} were sent before")),
        })?;
        items.push(json!({ "replay_of": old, "id": sent.value.id, "level": sent.value.level }));
        if !output.json() {
            output.line(format!("{} {}", sent.value.id, sent.value.level))?;
            output.note(format!("replays {old} to {}", draft.to_agent))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use wagglebus_schemas::Timestamp;

    use super::*;

    const ID: &str = "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c3d";

    fn kept() -> Kept {
        let body = json!({ "id": ID, "from_agent": "alice", "to_agent": "bob", "content": "x", "priority": "high",
            "message_type": "task", "timestamp": "2026-01-02T03:04:05.000Z",
            "metadata": { "a": 1, "in_reply_to": ID, "sig": "s", "expires_at": "2026-01-02T03:04:06.000Z", "capability": "c" } });
        Kept {
            message: serde_json::from_value(body.clone()).unwrap(),
            body,
            at: Timestamp::EPOCH,
        }
    }

    #[test]
    fn a_replay_is_a_new_message_of_whoever_replays_it() {
        let (alice, carol) = ("alice".parse().unwrap(), "carol".parse().unwrap());
        let draft = again(&kept(), &Goal::To("dave".parse().unwrap()), &carol);
        let old: Id = ID.parse().unwrap();
        assert!(draft.id.is_some_and(|id| id != old) && draft.from_agent.is_none());
        assert_eq!(
            (draft.to_agent.as_str(), draft.conversation_id),
            ("dave", Some(old))
        );
        let expected = json!({ "a": 1, "in_reply_to": ID, "replay_of": ID, "replay_from": "alice" });
        assert_eq!(Value::from(draft.metadata), expected);
        let own = again(&kept(), &Goal::Back, &alice);
        assert_eq!(own.to_agent.as_str(), "bob");
        assert!(!own.metadata.contains_key(REPLAY_FROM));
    }
}
