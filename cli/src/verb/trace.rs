//! `trace`: how far a message came, step by step, why not farther, and what to do next.

use wagglebus_client::Client;
use wagglebus_schemas::address::RecipientKind;
use wagglebus_schemas::api::{Trace, TraceStep, TraceStepKind};
use wagglebus_schemas::bridge::Proof;
use wagglebus_schemas::level::ReceiptLevel;
use wagglebus_schemas::reason::HoldReason;
use wagglebus_schemas::receipt::{Receipt, ReceiptReason};
use wagglebus_schemas::{AgentId, Level, Recipient, Timestamp};

use crate::failure::Failure;
use crate::output::{Output, table};
use crate::printable;
use crate::session::Session;
use crate::value;

/// Characters of a reason that a row shows.
const REASON_CHARS: usize = 80;

/// Show how far a message came, and why not farther
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The message
    id: String,
}

pub(crate) async fn run(args: Args, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let id = value::id(&args.id)?;
    let (me, client) = (session.sender()?, session.client()?);
    let answer = client.trace(id).await?;
    if output.json() {
        output.body(&answer.body)?;
        return Ok(());
    }
    let trace = &answer.value;
    let returned = given_back(session, trace, &me).await;
    output.table(&timeline(trace, &me, &returned))?;
    output.line(printable::line(&trace.explanation, 500))?;
    let told = is_told_of(&client, trace).await;
    let next = match all_are_stopped(&client, trace, &me).await {
        true => "wagglebus resume   # the whole hive is halted".into(),
        false => next_command(trace, &me, told),
    };
    output.line(format!("next: {next}"))?;
    Ok(())
}

/// What the recipient gave back, which no receipt tells: its own sidecar knows, where that runs here.
async fn given_back(session: &Session, trace: &Trace, me: &AgentId) -> Vec<TraceStep> {
    let RecipientKind::Agent(to) = trace.message.to_agent.kind() else {
        return Vec::new();
    };
    if trace.message.from_agent != *me || to == me {
        return Vec::new();
    }
    let Ok(client) = Client::of_agent(session.places(), to) else {
        return Vec::new();
    };
    let answer = client.trace(trace.message.id).await;
    let theirs = answer.ok().map(|answer| answer.value);
    let same = theirs.filter(|theirs| theirs.message.from_agent == *me);
    let mut steps = same.map(|theirs| theirs.steps).unwrap_or_default();
    steps.retain(|step| step.step == TraceStepKind::GivenBack);
    steps
}

/// Whether the recipient was told in its pane that the message is there, and nothing more is known.
async fn is_told_of(client: &Client, trace: &Trace) -> bool {
    let RecipientKind::Agent(to) = trace.message.to_agent.kind() else {
        return false;
    };
    if trace.level != Level::Stored || !trace.receipts.is_empty() {
        return false;
    }
    let agent = client.agent(to).await;
    agent.is_ok_and(|agent| agent.value.is_only_told_of(trace.message.content.len()))
}

/// Whether the message is held because the hive is halted, and not its recipient alone.
async fn all_are_stopped(client: &Client, trace: &Trace, me: &AgentId) -> bool {
    let held = trace.receipts.last().filter(|_| trace.message.from_agent == *me);
    let Some(held) = held.filter(|held| hold(held) == Some(HoldReason::Paused)) else {
        return false;
    };
    let agent = client.agent(&held.agent).await;
    let control = agent.ok().and_then(|agent| agent.value.control);
    control.is_some_and(|control| control.halted)
}

/// `returned` is what the recipient's sidecar tells of a message that `me` sent.
fn timeline(trace: &Trace, me: &AgentId, returned: &[TraceStep]) -> comfy_table::Table {
    let start = trace.message.timestamp;
    let sender = trace.message.from_agent.to_string();
    let row = |level: &str, at: Option<Timestamp>, by: &str, via: &str, reason: &str| {
        [
            level.to_owned(),
            at.map_or_else(|| "-".into(), |at| at.to_string()),
            at.map_or_else(|| "-".into(), |at| after(start, at)),
            by.to_owned(),
            via.to_owned(),
            reason.to_owned(),
        ]
    };
    let mut rows = table(["LEVEL", "AT", "AFTER", "BY", "VIA", "REASON"]);
    let mut accepted = row("accepted", Some(start), &sender, "-", "-");
    if let Some(after) = accepted.get_mut(2) {
        *after = "-".into();
    }
    rows.add_row(accepted);
    if trace.level >= Level::Stored {
        let stored = trace.steps.iter().find(|step| step.step == TraceStepKind::Stored);
        rows.add_row(row("stored", stored.map(|step| step.at), &sender, "-", "-"));
    }
    let mut later = Vec::new();
    for receipt in &trace.receipts {
        let reason = receipt
            .reason
            .map_or_else(|| "-".into(), |reason| reason.to_string());
        for step in &receipt.levels {
            let via = match receipt.bridge {
                Some(bridge) => format!("{bridge}/{}", receipt.proof),
                None => "-".into(),
            };
            let reason = if step.level == receipt.level { &reason } else { "-" };
            let row = row(
                step.level.as_str(),
                Some(step.at),
                receipt.agent.as_str(),
                &via,
                reason,
            );
            later.push((step.at, row));
        }
    }
    let to = trace.message.to_agent.to_string();
    let own = trace.steps.iter().map(|step| (step, me.as_str()));
    let theirs = returned.iter().map(|step| (step, to.as_str()));
    for (step, by) in own
        .chain(theirs)
        .filter(|(step, _)| step.step != TraceStepKind::Stored)
    {
        let via = step
            .delivery
            .map_or_else(|| "-".into(), |delivery| format!("hand-over {delivery}"));
        let reason = step.reason.as_deref().unwrap_or("-");
        let reason = printable::line(reason, REASON_CHARS);
        later.push((step.at, row(step.step.as_str(), Some(step.at), by, &via, &reason)));
    }
    // Receipts are in order already, and stay so where two have one time.
    later.sort_by_key(|(at, _)| *at);
    rows.add_rows(later.into_iter().map(|(_, row)| row));
    rows
}

/// Time since the message was accepted. Clocks of two machines may differ, so it may be negative.
fn after(start: Timestamp, at: Timestamp) -> String {
    let ms = at.unix_ms().saturating_sub(start.unix_ms());
    let sign = if ms < 0 { "-" } else { "+" };
    let ms = ms.unsigned_abs();
    match ms {
        0..10_000 => format!("{sign}{ms} ms"),
        10_000..600_000 => format!("{sign}{}.{} s", ms / 1_000, ms % 1_000 / 100),
        _ => format!("{sign}{} min", ms / 60_000),
    }
}

/// What to type next. The last receipt decides: a hold may be over by a later level.
fn next_command(trace: &Trace, me: &AgentId, told: bool) -> String {
    let id = trace.message.id;
    if trace.message.from_agent != *me {
        return next_of_recipient(trace, me);
    }
    let again = format!("wagglebus trace {id}");
    let Some(last) = trace.receipts.last() else {
        return if trace.level < Level::Stored {
            "wagglebus doctor".into()
        } else if told {
            let to = &trace.message.to_agent;
            format!("wagglebus --as {to} inbox   # what {to} was told of; it takes it by inbox --take 1")
        } else if trace.message.to_agent == Recipient::from(AgentId::operator()) {
            "wagglebus inbox".into()
        } else {
            "wagglebus agents".into()
        };
    };
    match last.level {
        ReceiptLevel::Done => "nothing: it is done".into(),
        ReceiptLevel::Dead => format!("wagglebus dlq retry {id}   # once the reason is gone"),
        ReceiptLevel::Held => hold(last)
            .and_then(|reason| release(reason, &last.agent))
            .unwrap_or(again),
        // What the recipient's bridge proves at most.
        ReceiptLevel::Injected if last.proof == Proof::Write => "wagglebus agents".into(),
        ReceiptLevel::Fetched | ReceiptLevel::Injected | ReceiptLevel::Seen => again,
    }
}

/// What ends a hold; `None`: it ends by itself, or at the agent's own screen.
pub(super) fn release(reason: HoldReason, agent: &AgentId) -> Option<String> {
    match reason {
        HoldReason::NoSidecar => Some(format!(
            "wagglebus sidecar --agent {agent} stdio -- COMMAND   # or http; in a pane: wagglebus attach PANE --agent {agent}"
        )),
        HoldReason::AgentGone => Some(format!(
            "wagglebus attach PANE --agent {agent}   # once its program runs again"
        )),
        HoldReason::CannotWake => Some(format!("wagglebus --as {agent} inbox")),
        HoldReason::Paused => Some(format!("wagglebus resume {agent}")),
        HoldReason::HumanTyping
        | HoldReason::DialogOpen
        | HoldReason::Busy
        | HoldReason::RateLimited
        | HoldReason::Queued => None,
    }
}

fn next_of_recipient(trace: &Trace, me: &AgentId) -> String {
    let id = trace.message.id;
    let wagglebus = if *me == AgentId::operator() {
        "wagglebus".to_owned()
    } else {
        format!("wagglebus --as {me}")
    };
    match (trace.level, trace.steps.last().map(|step| step.step)) {
        (_, Some(TraceStepKind::Dead)) => format!("wagglebus dlq show {id}"),
        (Level::Done, _) => "nothing: it is done".into(),
        (Level::Accepted | Level::Stored, _) => format!("{wagglebus} inbox --take 1"),
        (Level::Fetched | Level::Injected | Level::Seen, _) => {
            format!("{wagglebus} ack {id}   # once it is done")
        }
    }
}

fn hold(receipt: &Receipt) -> Option<HoldReason> {
    match receipt.reason {
        Some(ReceiptReason::Held(reason)) => Some(reason),
        Some(ReceiptReason::Dead(_) | ReceiptReason::HandOver(_)) | None => None,
    }
}

#[cfg(test)]
mod tests;
