//! `trace`: how far a message came, step by step, why not farther, and what to do next.

use wagglebus_schemas::api::Trace;
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

/// Show how far a message came, and why not farther
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The message
    id: String,
}

pub(crate) async fn run(args: Args, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let id = value::id(&args.id)?;
    let answer = session.client()?.trace(id).await?;
    if output.json() {
        output.body(&answer.body)?;
        return Ok(());
    }
    let trace = &answer.value;
    output.table(&timeline(trace))?;
    output.line(printable::line(&trace.explanation, 500))?;
    output.line(format!("next: {}", next_command(trace)))?;
    Ok(())
}

fn timeline(trace: &Trace) -> comfy_table::Table {
    let mut rows = table(["LEVEL", "AT", "AFTER", "BY", "VIA", "REASON"]);
    let start = trace.message.timestamp;
    let sender = trace.message.from_agent.to_string();
    let row = |level: &str, at: String, after: String, by: &str, via: &str, reason: &str| {
        [
            level.to_owned(),
            at,
            after,
            by.to_owned(),
            via.to_owned(),
            reason.to_owned(),
        ]
    };
    rows.add_row(row("accepted", start.to_string(), "-".into(), &sender, "-", "-"));
    if trace.level >= Level::Stored {
        // The publish ack carries no time, and a receipt before it would be impossible.
        rows.add_row(row("stored", "-".into(), "-".into(), &sender, "-", "-"));
    }
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
            rows.add_row(row(
                step.level.as_str(),
                step.at.to_string(),
                after(start, step.at),
                receipt.agent.as_str(),
                &via,
                reason,
            ));
        }
    }
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
fn next_command(trace: &Trace) -> String {
    let id = trace.message.id;
    let again = format!("wagglebus trace {id}");
    let Some(last) = trace.receipts.last() else {
        return if trace.level < Level::Stored {
            "wagglebus doctor".into()
        } else if trace.message.to_agent == Recipient::from(AgentId::operator()) {
            "wagglebus inbox".into()
        } else {
            "wagglebus agents".into()
        };
    };
    match last.level {
        ReceiptLevel::Done => "nothing: it is done".into(),
        ReceiptLevel::Dead => format!("wagglebus dlq retry {id}   # once the reason is gone"),
        ReceiptLevel::Held => match hold(last) {
            Some(HoldReason::NoSidecar) => format!(
                "wagglebus sidecar --agent {0} stdio -- COMMAND   # or http; in a pane: wagglebus attach PANE --agent {0}",
                last.agent
            ),
            Some(HoldReason::AgentGone) => {
                format!(
                    "wagglebus attach PANE --agent {}   # once its program runs again",
                    last.agent
                )
            }
            Some(HoldReason::CannotWake) => format!("wagglebus --as {} inbox", last.agent),
            Some(
                HoldReason::HumanTyping
                | HoldReason::DialogOpen
                | HoldReason::Busy
                | HoldReason::Paused
                | HoldReason::RateLimited
                | HoldReason::Queued,
            )
            | None => again,
        },
        // What the recipient's bridge proves at most.
        ReceiptLevel::Injected if last.proof == Proof::Write => "wagglebus agents".into(),
        ReceiptLevel::Fetched | ReceiptLevel::Injected | ReceiptLevel::Seen => again,
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
