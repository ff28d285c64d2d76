//! `/v1/messages/{id}`: sent and received messages, and how far they came.

use axum::extract::State;
use axum::http::StatusCode;
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json as value};
use wagglebus_http::history::{acknowledged, raw};
use wagglebus_http::{Answered, NoParams, Params, PathId, Refusal, json, raw_json};
use wagglebus_schemas::address::RecipientKind;
use wagglebus_schemas::api::TraceStep;
use wagglebus_schemas::decode;
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::level::ReceiptLevel;
use wagglebus_schemas::limits::MESSAGE_BYTES_MAX;
use wagglebus_schemas::receipt::Receipt;
use wagglebus_schemas::{AgentId, Id, Level, Message};
use wagglebus_sidecar_core::explain::{self, Sent};
use wagglebus_sidecar_core::journal::Location;
use wagglebus_sidecar_core::ledger::InEntry;
use wagglebus_sidecar_core::record::{Closed, Outcome};

use super::state::{ApiState, Shared};
use crate::gate::Inspection;

pub(super) async fn message(
    State(api): Shared,
    PathId(id): PathId,
    Params(NoParams {}): Params<NoParams>,
) -> Answered {
    let found = api.gate.inspect(move |inspection| find(inspection, id)).await??;
    Ok(raw_json(StatusCode::OK, acknowledged(found.body, found.done)))
}

/// [`Trace`](wagglebus_schemas::api::Trace), with message and receipts as published.
#[derive(Debug, Serialize)]
struct Traced<'a> {
    message: &'a RawValue,
    receipts: Vec<&'a RawValue>,
    level: Level,
    explanation: String,
    steps: Vec<TraceStep>,
}

pub(super) async fn trace(
    State(api): Shared,
    PathId(id): PathId,
    Params(NoParams {}): Params<NoParams>,
) -> Answered {
    let (mut found, mut standing) = look(&api, id, false).await?;
    if let Some((agent, content_bytes)) = standing.unfetched_at.take() {
        let agent = api.gate.roster().glance(&agent).await;
        if agent.is_some_and(|agent| agent.is_only_told_of(content_bytes)) {
            (found, standing) = look(&api, id, true).await?;
        }
    }
    let shown = acknowledged(found.body, found.done);
    let receipts = standing
        .receipts
        .iter()
        .map(|bytes| raw(bytes))
        .collect::<Result<_, _>>()?;
    let traced = Traced {
        message: raw(&shown)?,
        receipts,
        level: standing.level,
        explanation: standing.explanation,
        steps: standing.steps,
    };
    Ok(json(StatusCode::OK, &traced))
}

async fn look(api: &ApiState, id: Id, only_told_of: bool) -> Result<(Found, Standing), Refusal> {
    let me = api.agent.clone();
    let look = move |inspection: &Inspection<'_>| {
        let found = find(inspection, id)?;
        let standing = standing(inspection, id, &found, &me, only_told_of);
        Ok::<_, Refusal>((found, standing))
    };
    api.gate.inspect(look).await?
}

/// Why a sent message is held, as details of an error, and in words; `None`: it is not, as far as its receipts tell.
pub(super) async fn hold(api: &ApiState, id: Id) -> Option<(Value, String)> {
    let (_, standing) = look(api, id, false).await.ok()?;
    let last = standing.receipts.last()?;
    let receipt: Receipt = decode::record("receipt", last, MESSAGE_BYTES_MAX).ok()?;
    let held = receipt.level == ReceiptLevel::Held;
    let details = value!({ "agent": receipt.agent, "reason": receipt.reason, "since": receipt.since });
    held.then_some((details, standing.explanation))
}

/// A message that this sidecar sent or received.
#[derive(Debug)]
struct Found {
    body: Bytes,
    /// Its recipient is done with it.
    done: bool,
    /// Sent by us, and why no further care is taken of it.
    sent: Option<Option<Closed>>,
}

/// How far a message came.
#[derive(Debug)]
struct Standing {
    receipts: Vec<Bytes>,
    level: Level,
    explanation: String,
    steps: Vec<TraceStep>,
    /// Stored, and nothing more is known of it: for whom, and how long its text is.
    unfetched_at: Option<(AgentId, usize)>,
}

fn find(inspection: &Inspection<'_>, id: Id) -> Result<Found, Refusal> {
    let ledger = inspection.sidecar.ledger();
    if let Some(entry) = ledger.sent(&id).filter(|entry| entry.is_message()) {
        let done = ledger.level(&id) == Some(Level::Done);
        return Ok(Found {
            body: body(inspection, entry.body)?,
            done,
            sent: Some(entry.closed),
        });
    }
    let entry = received(inspection, id).ok_or_else(|| {
        Refusal::new(
            ErrorCode::NotFound,
            format!("no message {id} was sent or received here in the last 48 hours"),
        )
        .hint("ask the sidecar of its sender or of its recipient")
    })?;
    let done = matches!(entry.ended, Some((Outcome::Done, _)));
    Ok(Found {
        body: body(inspection, entry.body)?,
        done,
        sent: None,
    })
}

fn standing(
    inspection: &Inspection<'_>,
    id: Id,
    found: &Found,
    me: &AgentId,
    only_told_of: bool,
) -> Standing {
    let (ledger, now) = (inspection.sidecar.ledger(), inspection.now.wall);
    let Some(closed) = found.sent else {
        let now_ms = inspection.now.mono_ms;
        let mut hands = inspection.sidecar.in_hand().filter(|hand| hand.key.id == id);
        let in_hand = hands.find_map(|hand| explain::in_hand(me, hand, now_ms));
        let entry = received(inspection, id);
        let (level, explanation) = in_hand
            .or_else(|| entry.map(|entry| explain::received(me, entry, now)))
            .unwrap_or((Level::Fetched, String::new()));
        return Standing {
            receipts: Vec::new(),
            level,
            explanation,
            steps: entry.map(explain::received_steps).unwrap_or_default(),
            unfetched_at: None,
        };
    };
    let mut arrived: Vec<_> = ledger
        .receipts(&id)
        .map(|(_, receipt)| (receipt.at, receipt.body))
        .collect();
    arrived.sort_unstable();
    // A receipt whose bytes are damaged is left out: the level does not depend on them.
    let (receipts, read): (Vec<Bytes>, Vec<Receipt>) = arrived
        .into_iter()
        .filter_map(|(_, at)| {
            let bytes = inspection.storage.read(at).ok()?;
            let receipt = decode::record("receipt", &bytes, MESSAGE_BYTES_MAX).ok()?;
            Some((bytes, receipt))
        })
        .unzip();
    let level = ledger.level(&id).unwrap_or(Level::Accepted);
    let message = decode::record::<Message>("message", &found.body, MESSAGE_BYTES_MAX);
    let bus_up = inspection.sidecar.view(inspection.now).bus_up;
    let unfetched = level == Level::Stored && receipts.is_empty();
    let unfetched_at = message.as_ref().ok().filter(|_| unfetched).and_then(|message| {
        let agent = match message.to_agent.kind() {
            RecipientKind::Agent(agent) => agent.clone(),
            RecipientKind::Room(_) | RecipientKind::Capability(_) => return None,
        };
        Some((agent, message.content.len()))
    });
    let explanation = message.map_or_else(
        |error| error.to_string(),
        |message| {
            let sent = Sent {
                to: &message.to_agent,
                at: message.timestamp,
                level,
                closed,
                bus_up,
                receipts: &read,
                only_told_of,
            };
            explain::sent(&sent, now)
        },
    );
    Standing {
        receipts,
        level,
        explanation,
        steps: ledger.sent(&id).map(explain::sent_steps).unwrap_or_default(),
        unfetched_at,
    }
}

/// The received message of this id; should several senders have used it, the one whose text is kept.
fn received<'a>(inspection: &'a Inspection<'_>, id: Id) -> Option<&'a InEntry> {
    let entries = inspection
        .sidecar
        .ledger()
        .received_under(id)
        .map(|(_, entry)| entry);
    entries.max_by_key(|entry| entry.body.is_some())
}

fn body(inspection: &Inspection<'_>, at: Option<Location>) -> Result<Bytes, Refusal> {
    let gone = |why: String| Refusal::new(ErrorCode::NotFound, why);
    let at = at.ok_or_else(|| gone("the message is known, but its text is no longer kept".to_owned()))?;
    inspection
        .storage
        .read(at)
        .map_err(|error| gone(format!("its bytes cannot be read from the spool: {error}")))
}
