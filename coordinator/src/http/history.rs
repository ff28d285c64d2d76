//! `/v1/messages/{id}` and its trace, read from the streams: those have no index by id, so what is read is bounded, from
//! the time on that the id itself tells.

use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use bytes::Bytes;
use serde_json::{Value, json as value};
use tokio::time::timeout;
use wagglebus_http::{Answered, NoParams, Params, PathId, json};
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::level::ReceiptLevel;
use wagglebus_schemas::limits::MESSAGE_BYTES_MAX;
use wagglebus_schemas::receipt::Receipt;
use wagglebus_schemas::subject::Subject;
use wagglebus_schemas::{AgentId, Id, Level, decode};

use super::ask::reachable;
use super::auth::Caller;
use super::scan::{Begin, Scan, Span, Stored, scan};
use super::sight::{Sight, ends};
use super::state::{Api, Shared};

/// How long a scan may take.
const SCANS_WITHIN: Duration = Duration::from_secs(3);
/// How far clocks may be apart: a message can be stored that much before its id says that it was made, in milliseconds.
const CLOCKS_APART_MS: i64 = 10_000;
/// How many of the latest messages are looked at for an id that tells no time.
const LATEST: u64 = 10_000;

pub(super) async fn message(
    State(api): Shared,
    Extension(caller): Extension<Caller>,
    PathId(id): PathId,
    Params(NoParams {}): Params<NoParams>,
) -> Answered {
    let found = find(&api, &caller, id).await?;
    let receipts = receipts(&api, &found, id).await?;
    Ok(json(StatusCode::OK, &shown(&found, &receipts)?))
}

pub(super) async fn trace(
    State(api): Shared,
    Extension(caller): Extension<Caller>,
    PathId(id): PathId,
    Params(NoParams {}): Params<NoParams>,
) -> Answered {
    let found = find(&api, &caller, id).await?;
    let receipts = receipts(&api, &found, id).await?;
    let reached = receipts.iter().filter_map(|(receipt, _)| receipt.level.level());
    let traced = value!({
        "message": shown(&found, &receipts)?,
        "receipts": receipts.iter().map(|(_, raw)| raw).collect::<Vec<_>>(),
        "level": reached.max().unwrap_or(Level::Stored),
        "explanation": explain(&found, &receipts),
        "steps": [],
    });
    Ok(json(StatusCode::OK, &traced))
}

/// A stored message.
struct Found {
    subject: Subject,
    from: AgentId,
    body: Bytes,
    at_ms: i64,
}

/// The message with this id, if the caller may see it: a viewer and the operator see all, an agent its own.
async fn find(api: &Api, caller: &Caller, id: Id) -> Result<Found, ErrorDetail> {
    reachable(api)?;
    let bytes = id.as_bytes();
    let version = bytes.get(6).map(|byte| byte >> 4);
    let made_ms = bytes
        .iter()
        .take(6)
        .fold(0_i64, |ms, byte| (ms << 8) | i64::from(*byte));
    let begin = if version == Some(7) {
        Begin::At(made_ms.saturating_sub(CLOCKS_APART_MS))
    } else {
        Begin::Latest(LATEST)
    };
    let wanted = id.to_string();
    let mut found: Option<Stored> = None;
    let looking = scan(api, Scan::messages(api, begin), |stored| {
        if stored.id.as_deref() == Some(&*wanted) {
            found = Some(stored);
        }
        found.is_none()
    });
    bounded(looking).await?;
    let not_found = || {
        let message = format!("no message {id} is found in the stream");
        ErrorDetail::new(ErrorCode::NotFound, message)
            .hint("ask the sidecar of its sender or of its recipient")
    };
    let Stored {
        seq, subject, at_ms, ..
    } = found.ok_or_else(not_found)?;
    let subject = Subject::parse(&api.hive, &subject).map_err(|_| not_found())?;
    let (from, to) = ends(&subject).ok_or_else(not_found)?;
    if !Sight::of(api, caller).await?.takes(&from, &to) {
        return Err(not_found());
    }
    let (_, body) =
        super::store::stored_before(api, wagglebus_schemas::stream::Stream::Messages, seq).await?;
    Ok(Found {
        subject,
        from,
        body,
        at_ms,
    })
}

/// What was told about a message, in the order of the stream, each as it was read and as it was written.
async fn receipts(api: &Api, found: &Found, id: Id) -> Result<Vec<(Receipt, Value)>, ErrorDetail> {
    let mut receipts = Vec::new();
    let begin = Begin::At(found.at_ms.saturating_sub(1));
    let reading = scan(api, Scan::receipts(api, &found.from, begin), |stored| {
        let receipt = decode::record::<Receipt>("receipt", &stored.body, MESSAGE_BYTES_MAX);
        if let Ok(receipt) = receipt
            && receipt.message_id == id
        {
            let raw = serde_json::from_slice(&stored.body).unwrap_or_default();
            receipts.push((receipt, raw));
        }
        true
    });
    bounded(reading).await?;
    Ok(receipts)
}

async fn bounded(scanning: impl Future<Output = Result<Span, ErrorDetail>>) -> Result<Span, ErrorDetail> {
    timeout(SCANS_WITHIN, scanning).await.unwrap_or_else(|_| {
        let message = "too much lies in the stream to be looked through here";
        Err(ErrorDetail::new(ErrorCode::CoordinatorUnavailable, message)
            .hint("ask the sidecar of its sender or of its recipient"))
    })
}

/// The message as it was published, and whether its recipient is done with it.
fn shown(found: &Found, receipts: &[(Receipt, Value)]) -> Result<Value, ErrorDetail> {
    let mut message: Value = serde_json::from_slice(&found.body).map_err(|error| {
        ErrorDetail::new(ErrorCode::NotFound, format!("its bytes are no message: {error}"))
    })?;
    let done = receipts
        .iter()
        .any(|(receipt, _)| receipt.level == ReceiptLevel::Done);
    if let Some(fields) = message.as_object_mut().filter(|_| done) {
        fields.insert("acknowledged".to_owned(), true.into());
    }
    Ok(message)
}

/// One sentence that says where it stands.
fn explain(found: &Found, receipts: &[(Receipt, Value)]) -> String {
    let to = if let Subject::Room { room, .. } = &found.subject {
        format!("room {room}")
    } else if let Subject::Message { to, .. } = &found.subject {
        to.to_string()
    } else {
        "somebody".to_owned()
    };
    let dead = receipts
        .iter()
        .find(|(receipt, _)| receipt.level == ReceiptLevel::Dead);
    // A hold that was told before something moved is over.
    let furthest = receipts.iter().max_by_key(|(receipt, _)| receipt.level.level());
    let last = receipts.last();
    let why = |receipt: &Receipt| {
        receipt
            .reason
            .map_or_else(String::new, |reason| format!(": {reason}"))
    };
    match (dead, last, furthest) {
        (Some((receipt, _)), ..) => format!("dead at {}{}", receipt.agent, why(receipt)),
        (None, Some((held, _)), _) if held.level == ReceiptLevel::Held => {
            format!("held at {}{}", held.agent, why(held))
        }
        (None, _, Some((receipt, _))) => format!("{} by {} at {}", receipt.level, receipt.agent, receipt.at),
        (None, _, None) => format!("stored for {to}; nothing was told of it yet"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wagglebus_schemas::Timestamp;
    use wagglebus_schemas::reason::DeadReason;
    use wagglebus_schemas::receipt::ReceiptReason;

    fn found() -> Found {
        Found {
            subject: Subject::Message {
                to: "bob".parse().unwrap(),
                priority: Default::default(),
                from: "alice".parse().unwrap(),
            },
            from: "alice".parse().unwrap(),
            body: Bytes::from_static(b"{\"acknowledged\":false}"),
            at_ms: 0,
        }
    }

    fn receipt(level: ReceiptLevel) -> (Receipt, Value) {
        let ids = ("alice".parse().unwrap(), Id::from_bytes([1; 16]));
        let reason = DeadReason::Expired;
        let mut receipt = Receipt::by_coordinator(
            Id::from_bytes([2; 16]),
            ids,
            "bob".parse().unwrap(),
            ReceiptReason::Dead(reason),
            Timestamp::EPOCH,
        );
        receipt.level = level;
        if level != ReceiptLevel::Dead {
            receipt.reason = None;
        }
        (receipt, Value::Null)
    }

    #[test]
    fn what_was_told_is_said_in_a_sentence() {
        let said = |levels: &[ReceiptLevel]| {
            let receipts: Vec<_> = levels.iter().copied().map(receipt).collect();
            explain(&found(), &receipts)
        };
        assert_eq!(said(&[]), "stored for bob; nothing was told of it yet");
        assert!(said(&[ReceiptLevel::Fetched, ReceiptLevel::Done]).starts_with("done by bob"));
        assert_eq!(said(&[ReceiptLevel::Fetched, ReceiptLevel::Held]), "held at bob");
        assert!(said(&[ReceiptLevel::Held, ReceiptLevel::Seen]).starts_with("seen by bob"));
        assert_eq!(
            said(&[ReceiptLevel::Seen, ReceiptLevel::Dead]),
            "dead at bob: expired"
        );
        let done = shown(&found(), &[receipt(ReceiptLevel::Done)]).unwrap();
        assert_eq!(done["acknowledged"], true);
        assert_eq!(shown(&found(), &[]).unwrap()["acknowledged"], false);
    }
}
