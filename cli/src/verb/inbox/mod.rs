//! `inbox`: shows what waits for an agent, or takes it under a lease.

mod unread;

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};
use wagglebus_client::{Answered, Client, InboxPeek, Take};
use wagglebus_schemas::Message;
use wagglebus_schemas::api::{InboxAnswer, InboxItem};

use crate::failure::Failure;
use crate::output::{Output, table};
use crate::printable;
use crate::session::Session;
use crate::value;
use unread::Unread;

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
            let peek = peek(&client, deadline).await?;
            // Elsewhere than on the machine of `up` the numbers must do.
            let unread = if peek.value.pending.total() == 0 {
                None
            } else {
                unread::read(session.places(), &session.sender()?).await.ok()
            };
            show_peek(&peek, unread.unwrap_or_default(), output)
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

async fn peek(client: &Client, deadline: Instant) -> Result<Answered<InboxPeek>, Failure> {
    loop {
        let answer = client.peek().await?;
        let empty = answer.value.in_hand.is_empty() && answer.value.pending.total() == 0;
        if !empty || Instant::now() >= deadline {
            return Ok(answer);
        }
        sleep_until(deadline.min(Instant::now() + LOOK_EVERY)).await;
    }
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

fn show_peek(
    answer: &Answered<InboxPeek>,
    mut unread: Vec<Unread>,
    output: &mut Output,
) -> Result<(), Failure> {
    let peek = &answer.value;
    unread.retain(|unread| {
        !peek
            .in_hand
            .iter()
            .any(|item| item.message.id == unread.message.id)
    });
    if output.json() {
        // The messages as they came, under the name that all forms of `inbox` share.
        let mut body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let mut messages = match body.get_mut("in_hand").map(Value::take) {
            Some(Value::Array(messages)) => messages,
            Some(_) | None => Vec::new(),
        };
        messages.extend(
            unread
                .iter()
                .map(|unread| json!({ "message": unread.body, "delivery": 0 })),
        );
        let pending = body.get_mut("pending").map(Value::take);
        output.record(&json!({ "messages": messages, "pending": pending }))?;
        return Ok(());
    }
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
        for unread in &unread {
            rows.add_row(row(&unread.message, 0, "-".into()));
        }
        output.table(&rows)?;
    }
    let waiting = peek.pending;
    if waiting.total() == 0 {
        output.note(if peek.in_hand.is_empty() {
            "nothing waits"
        } else {
            "nothing else waits"
        })?;
    } else {
        output.line(format!(
            "waiting: {} urgent, {} high, {} normal, {} low",
            waiting.urgent, waiting.high, waiting.normal, waiting.low
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
