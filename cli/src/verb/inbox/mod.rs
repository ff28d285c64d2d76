//! `inbox`: shows what waits for an agent, or takes it under a lease.

pub(super) mod unread;

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};
use wagglebus_client::{Answered, Client, Take};
use wagglebus_schemas::Message;
use wagglebus_schemas::api::{InboxAnswer, InboxItem, InboxPeek, PendingCounts};

use crate::failure::Failure;
use crate::output::{Output, table};
use crate::printable;
use crate::session::Session;
use crate::value;
use unread::{Lanes, Unread};

/// Longest single wait of the API (WIRE, Inbox); longer ones are made of several.
const POLL_MAX: Duration = Duration::from_secs(60);

/// How often a waiting peek looks: the API announces nothing to those who take nothing.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Characters of a content that a row shows.
const PREVIEW_CHARS: usize = 60;

/// Show what waits, taking nothing; or take messages with --take
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Take up to N messages; settle them with ack or nak
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=32))]
    take: Option<u32>,
    /// How long they stay yours
    #[arg(long, value_name = "DURATION", default_value = "60s", requires = "take", value_parser = value::duration)]
    lease: Duration,
    /// Wait this long for the first
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = value::duration)]
    timeout: Duration,
}

pub(crate) async fn run(args: Args, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let client = session.client()?;
    let deadline = Instant::now() + args.timeout;
    match args.take {
        Some(max) => show_taken(&take(&client, max, args.lease, deadline).await?, output),
        None => {
            // Elsewhere than on the machine of `up` the sidecar's own numbers must do.
            let lanes = Lanes::open(session.places(), session.sender()?).await.ok();
            show(&wait(&client, lanes.as_ref(), deadline).await?, output)
        }
    }
}

async fn take(
    client: &Client,
    max: u32,
    lease: Duration,
    deadline: Instant,
) -> Result<Answered<InboxAnswer>, Failure> {
    loop {
        let timeout = deadline.saturating_duration_since(Instant::now()).min(POLL_MAX);
        let answer = client.inbox(Take { max, timeout, lease }).await?;
        if !answer.value.messages.is_empty() || Instant::now() >= deadline {
            return Ok(answer);
        }
    }
}

/// Everything that a peek shows.
struct View {
    peek: Answered<InboxPeek>,
    unread: Vec<Unread>,
    pending: PendingCounts,
}

async fn wait(client: &Client, lanes: Option<&Lanes<'_>>, deadline: Instant) -> Result<View, Failure> {
    loop {
        let view = look(client, lanes).await?;
        let empty = view.peek.value.in_hand.is_empty() && view.unread.is_empty() && view.pending.total() == 0;
        if !empty || Instant::now() >= deadline {
            return Ok(view);
        }
        sleep_until(deadline.min(Instant::now() + LOOK_EVERY)).await;
    }
}

async fn look(client: &Client, lanes: Option<&Lanes<'_>>) -> Result<View, Failure> {
    let peek = client.peek().await?;
    let waiting = match lanes {
        Some(lanes) => lanes
            .look()
            .await
            .ok()
            .map(|waiting| waiting.without(&peek.value)),
        None => None,
    };
    // A sidecar knows only what the server last told it; the stream's own numbers are those of now.
    let pending = waiting
        .as_ref()
        .map_or(peek.value.pending, |waiting| waiting.pending);
    let unread = waiting.map_or_else(Vec::new, |waiting| waiting.unread);
    Ok(View {
        peek,
        unread,
        pending,
    })
}

fn show_taken(answer: &Answered<InboxAnswer>, output: &mut Output) -> Result<(), Failure> {
    if output.json() {
        output.body(&answer.body)?;
        return Ok(());
    }
    for item in &answer.value.messages {
        output.line(describe(item))?;
    }
    if answer.value.messages.is_empty() {
        output.note("nothing waits")?;
    }
    Ok(())
}

fn describe(item: &InboxItem) -> String {
    let message = &item.message;
    format!(
        "{} from {} !{} #{}\n  lease {} until {}, delivery {}\n{}",
        message.id,
        message.from_agent,
        message.priority,
        message.message_type,
        printable::line(&item.lease, 200),
        item.lease_expires_at,
        item.delivery,
        printable::block(&message.content)
    )
}

fn show(view: &View, output: &mut Output) -> Result<(), Failure> {
    let View {
        peek,
        unread,
        pending,
    } = view;
    if output.json() {
        // The messages as they came, under the name that all forms of `inbox` share.
        let mut body: Value = serde_json::from_slice(&peek.body).unwrap_or_default();
        let mut messages = match body.get_mut("in_hand").map(Value::take) {
            Some(Value::Array(messages)) => messages,
            Some(_) | None => Vec::new(),
        };
        messages.extend(
            unread
                .iter()
                .map(|unread| json!({ "message": unread.body, "delivery": 0 })),
        );
        output.record(&json!({ "messages": messages, "pending": pending }))?;
        return Ok(());
    }
    let peek = &peek.value;
    if !peek.in_hand.is_empty() || !unread.is_empty() {
        let mut rows = table([
            "ID",
            "FROM",
            "PRIORITY",
            "TYPE",
            "DELIVERY",
            "LEASED UNTIL",
            "CONTENT",
        ]);
        for item in &peek.in_hand {
            let until = item
                .lease_expires_at
                .map_or_else(|| "-".into(), |at| at.to_string());
            rows.add_row(row(&item.message, item.delivery, until));
        }
        for unread in unread {
            rows.add_row(row(&unread.message, 0, "-".into()));
        }
        output.table(&rows)?;
    }
    if pending.total() == 0 {
        output.note(if peek.in_hand.is_empty() && unread.is_empty() {
            "nothing waits"
        } else {
            "nothing else waits"
        })?;
    } else {
        output.line(format!(
            "waiting: {} urgent, {} high, {} normal, {} low",
            pending.urgent, pending.high, pending.normal, pending.low
        ))?;
        output.note("take the next one: wagglebus inbox --take 1")?;
    }
    Ok(())
}

fn row(message: &Message, delivery: u32, until: String) -> [String; 7] {
    [
        message.id.to_string(),
        message.from_agent.to_string(),
        message.priority.to_string(),
        message.message_type.to_string(),
        delivery.to_string(),
        until,
        printable::line(&message.content, PREVIEW_CHARS),
    ]
}
