//! `inbox`: shows what waits for an agent, or takes it under a lease.

pub(super) mod unread;

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};
use wagglebus_client::{Answered, Client, Take};
use wagglebus_schemas::api::{InboxAnswer, InboxItem, InboxPeek, PendingCounts};
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::{AgentId, Message};

use crate::failure::Failure;
use crate::output::{Output, table};
use crate::printable;
use crate::session::Session;
use crate::value;
use unread::{Lanes, Unread, Waiting};

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
    /// How long they stay yours, from 5s to 1h
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
        Some(max) => {
            let answer = take(&client, max, args.lease, deadline).await?;
            if answer.value.messages.is_empty() {
                check_bus(&client).await?;
            }
            show_taken(&answer, output)
        }
        None => {
            // Elsewhere than on the machine of `up` the sidecar's own numbers must do.
            let lanes = Lanes::open(session.places(), session.sender()?).await.ok();
            let view = wait(&client, lanes.as_ref(), deadline).await?;
            show(&view, session.sender()?, output)
        }
    }
}

/// That nothing came means nothing while the sidecar has no bus.
async fn check_bus(client: &Client) -> Result<(), Failure> {
    let bus = client.readyz().await?.value.checks.bus;
    if bus == "ok" {
        return Ok(());
    }
    Err(
        Failure::contract(ErrorCode::BusUnreachable, format!("nothing can be taken: {bus}"))
            .fix("see what is wrong: wagglebus doctor"),
    )
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
    /// Absent where the stream cannot be read.
    waiting: Option<Waiting>,
}

impl View {
    /// A sidecar knows only what the server last told it; the stream's own numbers are those of now.
    fn pending(&self) -> PendingCounts {
        self.waiting
            .as_ref()
            .map_or(self.peek.value.pending, |waiting| waiting.pending)
    }

    fn again(&self) -> &[Unread] {
        self.waiting.as_ref().map_or(&[], |waiting| &waiting.again)
    }

    fn unread(&self) -> &[Unread] {
        self.waiting.as_ref().map_or(&[], |waiting| &waiting.unread)
    }

    /// No message can be named.
    fn shows_none(&self) -> bool {
        self.peek.value.in_hand.is_empty() && self.again().is_empty() && self.unread().is_empty()
    }
}

async fn wait(client: &Client, lanes: Option<&Lanes<'_>>, deadline: Instant) -> Result<View, Failure> {
    loop {
        let view = look(client, lanes).await?;
        let empty = view.shows_none() && view.pending().total() == 0;
        if !empty || Instant::now() >= deadline {
            return Ok(view);
        }
        sleep_until(deadline.min(Instant::now() + LOOK_EVERY)).await;
    }
}

async fn look(client: &Client, lanes: Option<&Lanes<'_>>) -> Result<View, Failure> {
    let peek = client.peek().await?;
    let waiting = match lanes {
        Some(lanes) => lanes.look(client, &peek.value).await.ok(),
        None => None,
    };
    Ok(View { peek, waiting })
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

fn show(view: &View, agent: AgentId, output: &mut Output) -> Result<(), Failure> {
    if output.json() {
        output.record(&record(view))?;
        return Ok(());
    }
    if !view.shows_none() {
        output.table(&rows(view))?;
    }
    let more = view.waiting.as_ref().map_or(0, |waiting| waiting.more_again);
    if more > 0 {
        output.line(format!(
            "up to {more} more were handed over before and come again"
        ))?;
    }
    let pending = view.pending();
    if pending.total() > 0 {
        output.line(format!(
            "waiting: {} urgent, {} high, {} normal, {} low",
            pending.urgent, pending.high, pending.normal, pending.low
        ))?;
        let own = if agent == AgentId::operator() {
            String::new()
        } else {
            format!(" --as {agent}")
        };
        output.note(format!("take the next one: wagglebus{own} inbox --take 1"))?;
    } else if view.shows_none() && more == 0 {
        output.note("nothing waits")?;
    } else {
        output.note("nothing else waits")?;
    }
    Ok(())
}

/// The messages as they came, under the name that all forms of `inbox` share.
fn record(view: &View) -> Value {
    let mut body: Value = serde_json::from_slice(&view.peek.body).unwrap_or_default();
    let mut messages = match body.get_mut("in_hand").map(Value::take) {
        Some(Value::Array(messages)) => messages,
        Some(_) | None => Vec::new(),
    };
    // How often they were handed over is not known here.
    let again = view.again().iter();
    messages.extend(again.map(|unread| json!({ "message": unread.body, "redelivered": true })));
    let unread = view.unread().iter();
    messages.extend(unread.map(|unread| json!({ "message": unread.body, "delivery": 0 })));
    let mut record = json!({ "messages": messages, "pending": view.pending() });
    if let (Some(waiting), Some(record)) = (&view.waiting, record.as_object_mut()) {
        record.insert("more_again".into(), waiting.more_again.into());
    }
    record
}

fn rows(view: &View) -> comfy_table::Table {
    let mut rows = table([
        "ID",
        "FROM",
        "PRIORITY",
        "TYPE",
        "DELIVERY",
        "LEASED UNTIL",
        "CONTENT",
    ]);
    for item in &view.peek.value.in_hand {
        let until = item
            .lease_expires_at
            .map_or_else(|| "-".into(), |at| at.to_string());
        rows.add_row(row(&item.message, item.delivery.to_string(), until));
    }
    for unread in view.again() {
        rows.add_row(row(&unread.message, "again".into(), "-".into()));
    }
    for unread in view.unread() {
        rows.add_row(row(&unread.message, "0".into(), "-".into()));
    }
    rows
}

fn row(message: &Message, delivery: String, until: String) -> [String; 7] {
    [
        message.id.to_string(),
        message.from_agent.to_string(),
        message.priority.to_string(),
        message.message_type.to_string(),
        delivery,
        until,
        printable::line(&message.content, PREVIEW_CHARS),
    ]
}
