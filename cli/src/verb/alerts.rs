//! `alerts`: what a person should know of, and saying that one does.

use std::collections::BTreeSet;
use std::time::Duration;

use clap::Subcommand;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use wagglebus_client::{Client, ClientError, SendOptions};
use wagglebus_schemas::alert::{Alert, AlertFilter, AlertState, AlertsRequest};
use wagglebus_schemas::message::metadata;
use wagglebus_schemas::{AgentId, Draft, Id};

use crate::failure::Failure;
use crate::output::{Output, table};
use crate::printable;
use crate::session::Session;
use crate::value;

/// Most pages that are asked for.
const PAGES_MAX: usize = 20;
/// Alerts of a page.
const PAGE_SIZE: usize = 500;
/// Time between two looks at what changed.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long is waited until the coordinator has taken note.
const KNOWN_WITHIN: Duration = Duration::from_secs(2);
const KNOWN_LOOK_EVERY: Duration = Duration::from_millis(50);
/// Characters of a summary in a line.
const LINE_CHARS: usize = 160;

/// List what is wrong in the hive, each with the command that shows more
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  wagglebus alerts
  wagglebus alerts --follow --json | ./on-alert
  wagglebus alerts ack 0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c3d"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// Those that are over, too
    #[arg(long)]
    all: bool,
    /// Go on and show each change as it comes
    #[arg(long)]
    follow: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Ack(Ack),
}

/// Say that you know of an alert
#[derive(Debug, clap::Args)]
struct Ack {
    /// The alert
    #[arg(value_name = "ID")]
    alert: String,
}

pub(crate) async fn run(args: Args, session: &Session, output: &mut Output) -> Result<(), Failure> {
    match args.verb {
        Some(Verb::Ack(ack)) => acknowledge(&ack, session, output).await,
        None if args.follow => follow(args.all, session, output).await,
        None => list(args.all, session, output).await,
    }
}

async fn list(all: bool, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let client = session.client()?;
    let (alerts, next_cursor) = fetch(&client, (!all).then_some(AlertFilter::Open)).await?;
    if output.json() {
        let next_cursor = next_cursor.map_or(Value::Null, Value::from);
        return Ok(output.record(&json!({ "items": alerts, "next_cursor": next_cursor }))?);
    }
    let mut rows = table(["ID", "STATE", "SEVERITY", "RULE", "SINCE", "SUMMARY", "NEXT"]);
    for alert in &alerts {
        rows.add_row([
            alert.id.to_string(),
            alert.state.to_string(),
            alert.severity.to_string(),
            printable::line(&alert.rule, LINE_CHARS),
            alert.since.to_string(),
            printable::line(&alert.summary, LINE_CHARS),
            printable::line(&alert.hint, LINE_CHARS),
        ]);
    }
    output.table(&rows)?;
    if alerts.is_empty() {
        output.note(if all {
            "no alerts yet"
        } else {
            "nothing is wrong; wagglebus alerts --all shows what was"
        })?;
    }
    Ok(())
}

/// Every alert of a filter, the latest first, as far as pages go.
async fn fetch(
    client: &Client,
    state: Option<AlertFilter>,
) -> Result<(Vec<Alert>, Option<String>), ClientError> {
    let mut request = AlertsRequest {
        state,
        limit: Some(PAGE_SIZE),
        cursor: None,
    };
    let mut alerts = Vec::new();
    for _ in 0..PAGES_MAX {
        let page = client.alerts(&request).await?.value;
        alerts.extend(page.items);
        request.cursor = page.next_cursor;
        if request.cursor.is_none() {
            break;
        }
    }
    Ok((alerts, request.cursor))
}

/// What is open, or with `all` everything that is known; then each change, once.
async fn follow(all: bool, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let client = session.client()?;
    let mut shown: BTreeSet<Id> = BTreeSet::new();
    let mut first = true;
    loop {
        // While nobody answers nothing changes that could be shown.
        let (mut alerts, _) = match fetch(&client, None).await {
            Ok(fetched) => fetched,
            Err(error) if first => return Err(error.into()),
            Err(_) => {
                sleep(LOOK_EVERY).await;
                continue;
            }
        };
        alerts.sort_by_key(|alert| (alert.updated_at, alert.event_id));
        for alert in &alerts {
            let is_news = shown.insert(alert.event_id);
            let is_old = first && !all && !alert.state.is_open();
            if is_news && !is_old {
                tell(alert, output)?;
            }
        }
        let known: BTreeSet<Id> = alerts.iter().map(|alert| alert.event_id).collect();
        shown.retain(|id| known.contains(id));
        output.finish()?;
        first = false;
        sleep(LOOK_EVERY).await;
    }
}

fn tell(alert: &Alert, output: &mut Output) -> Result<(), Failure> {
    if output.json() {
        return Ok(output.record(alert)?);
    }
    let (at, state, severity) = (alert.updated_at, alert.state, alert.severity);
    let summary = printable::line(&alert.summary, LINE_CHARS);
    let rule = printable::line(&alert.rule, LINE_CHARS);
    let line = format!("{at} {} {state} {severity} {rule}: {summary}", alert.id);
    Ok(output.line(line)?)
}

async fn acknowledge(args: &Ack, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let id = value::id(&args.alert)?;
    if session.sender()? != AgentId::operator() {
        return Err(Failure::invalid("only the operator acknowledges alerts").fix("leave --as out"));
    }
    let client = session.client()?;
    let mut alert = find(&client, id).await?.ok_or_else(|| {
        Failure::not_found(format!("there is no alert {id}"))
            .fix("wagglebus alerts --all lists those there are")
    })?;
    if alert.state == AlertState::Firing {
        // A message to the coordinator that answers the alert: kept until a coordinator has taken note.
        let mut draft = Draft::text(AgentId::coordinator().into(), "acknowledged".to_owned());
        draft
            .metadata
            .insert(metadata::IN_REPLY_TO.to_owned(), id.to_string().into());
        client.send(&draft, SendOptions::default()).await?;
    }
    let until = Instant::now() + KNOWN_WITHIN;
    while alert.state == AlertState::Firing && Instant::now() < until {
        sleep(KNOWN_LOOK_EVERY).await;
        match find(&client, id).await {
            Ok(found) => alert = found.unwrap_or(alert),
            // It is said already, whoever cannot be asked about it now.
            Err(error) if error.is_passing() => {}
            Err(error) => return Err(error.into()),
        }
    }
    if alert.state == AlertState::Firing {
        output.note("no coordinator has taken note yet; it is kept until one does: wagglebus alerts")?;
    }
    if output.json() {
        return Ok(output.record(&alert)?);
    }
    Ok(output.line(format!("{id} {}", alert.state))?)
}

async fn find(client: &Client, id: Id) -> Result<Option<Alert>, ClientError> {
    let (alerts, _) = fetch(client, None).await?;
    Ok(alerts.into_iter().find(|alert| alert.id == id))
}
