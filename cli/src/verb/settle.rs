//! What `ack` and `nak` share: finding the lease of a message that the caller did not write down.

use std::time::Duration;

use wagglebus_client::{Client, Take};
use wagglebus_schemas::api::{InboxPeek, NakRequest, Trace, TraceStepKind};
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::id::Id;
use wagglebus_schemas::{AgentId, Level, Recipient};

use crate::failure::Failure;
use crate::session::Session;
use crate::verb::inbox::unread::{Lanes, Unread, Waiting};

/// Long enough to settle what was just taken.
const LEASE: Duration = Duration::from_secs(60);

/// The lease given, else the current one, else that of a take, if the message is the next to be handed over. No other
/// message is taken for it: that would count as a hand-over of that one. Only a message that was put off and comes again
/// in that very moment can be in its place; then it goes back.
///
/// # Errors
/// `not_found` when the message is neither in hand nor next.
pub(crate) async fn lease(
    session: &Session,
    client: &Client,
    id: Id,
    given: Option<String>,
) -> Result<String, Failure> {
    match way(session, client, id, given).await? {
        Way::Lease(lease) => Ok(lease),
        Way::Elsewhere { ended: true, .. } => Err(Failure::contract(
            ErrorCode::NotFound,
            format!("{id} has ended: nobody has it in hand any more"),
        )
        .fix(format!("see how it ended: wagglebus trace {id}"))),
        Way::Elsewhere { ended: false, .. } => Err(neither(id)),
    }
}

/// How a message can be settled.
pub(crate) enum Way {
    /// It is in hand, or was the next and is now.
    Lease(String),
    /// It has ended, or it waits behind others, where whoever may read the stream has read it: it can be ended there,
    /// but not given back.
    Elsewhere {
        /// Who wrote it.
        from: AgentId,
        /// It has ended.
        ended: bool,
    },
}

/// As [`lease`], and for a message that waits behind others, or has ended, who wrote it.
///
/// # Errors
/// `not_found` when the message is neither in hand nor waits, nor was ever.
pub(crate) async fn way(
    session: &Session,
    client: &Client,
    id: Id,
    given: Option<String>,
) -> Result<Way, Failure> {
    if let Some(lease) = given {
        return Ok(Way::Lease(lease));
    }
    let peek = client.peek().await?.value;
    if let Some(item) = peek.in_hand.iter().find(|item| item.message.id == id) {
        return item.lease.clone().map(Way::Lease).ok_or_else(|| {
            Failure::contract(
                ErrorCode::LeaseLost,
                format!("{id} is in the agent's hands, but not by a lease"),
            )
            .fix("the agent itself settles it")
        });
    }
    if let Some(from) = ended(session, client, id).await? {
        return Ok(Way::Elsewhere { from, ended: true });
    }
    let waiting = look(session, client, &peek).await?;
    let mut waits = waiting.again.iter().chain(&waiting.unread);
    let elsewhere = waits
        .find(|unread| unread.message.id == id)
        .map(|unread| Way::Elsewhere {
            from: unread.message.from_agent.clone(),
            ended: false,
        });
    if !is_next(&waiting, id) {
        return elsewhere.ok_or_else(|| neither(id));
    }
    let taken = client
        .inbox(Take {
            lease: LEASE,
            ..Take::default()
        })
        .await?
        .value;
    let mut lease = None;
    for item in taken.messages {
        if item.message.id == id {
            lease = Some(item.lease);
            continue;
        }
        // Something overtook it in between, or a lower lane had its turn.
        let back = NakRequest {
            lease: item.lease,
            delay_ms: 0,
            reason: Some("taken by mistake".into()),
        };
        client.nak(item.message.id, &back).await?;
    }
    // What is put off still was not handed over.
    lease.map(Way::Lease).or(elsewhere).ok_or_else(|| neither(id))
}

/// Who wrote a message that the agent was handed and that has ended.
async fn ended(session: &Session, client: &Client, id: Id) -> Result<Option<AgentId>, Failure> {
    let Ok(answer) = client.trace(id).await else {
        return Ok(None);
    };
    let Trace {
        message,
        steps,
        level,
        ..
    } = answer.value;
    let me = session.sender()?;
    if message.from_agent == me {
        // What it sent is its recipient's to settle: that may be itself.
        let own = message.to_agent == Recipient::from(me);
        return Ok((own && level == Level::Done).then_some(message.from_agent));
    }
    let ended = steps.last().is_some_and(|step| match step.step {
        TraceStepKind::Done | TraceStepKind::Dead => true,
        TraceStepKind::Stored | TraceStepKind::HandedOver | TraceStepKind::GivenBack => false,
    });
    Ok(ended.then_some(message.from_agent))
}

/// What waits, as the stream has it.
async fn look(session: &Session, client: &Client, peek: &InboxPeek) -> Result<Waiting, Failure> {
    let unknown = |why: String| {
        Failure::failed("which message is next cannot be seen from here")
            .why(why)
            .fix("take it, then settle it with its lease: wagglebus inbox --take 1")
    };
    let lanes = Lanes::open(session.places(), session.sender()?).await;
    let lanes = lanes.map_err(|failure| unknown(failure.what()))?;
    lanes
        .look(client, peek)
        .await
        .map_err(|error| unknown(error.to_string()))
}

/// Whether a take hands `id` over, and nothing else as far as that can be known: it is the first message of the highest
/// lane that has any. One that was given back may be put off still, so it counts as the next only if nothing else could
/// be handed over instead.
fn is_next(waiting: &Waiting, id: Id) -> bool {
    let first = |unread: &[Unread]| unread.first().map(|unread| unread.message.id);
    if first(&waiting.unread) == Some(id) {
        return true;
    }
    let alone = waiting.again.len() == 1 && waiting.more_again == 0 && waiting.pending.total() == 0;
    alone && first(&waiting.again) == Some(id)
}

fn neither(id: Id) -> Failure {
    Failure::contract(
        ErrorCode::NotFound,
        format!("{id} is neither in hand nor next in the inbox; no other message is taken to get at it"),
    )
    .fix(format!(
        "see where it is: wagglebus trace {id}; take what waits before it: wagglebus inbox --take 32"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c31";
    const SECOND: &str = "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c32";

    fn messages(ids: &[&str]) -> Vec<Unread> {
        let of = |id: &&str| {
            let body = serde_json::json!({ "id": id, "from_agent": "bob", "to_agent": "alice", "content": "x",
                "timestamp": "2026-01-02T03:04:05.000Z", "priority": "normal", "message_type": "task",
                "conversation_id": id, "metadata": {}, "acknowledged": false });
            Unread {
                message: serde_json::from_value(body.clone()).unwrap(),
                body,
            }
        };
        ids.iter().map(of).collect()
    }

    #[test]
    fn only_what_a_take_would_hand_over_is_next() {
        for (again, more_again, unread, id, expected) in [
            (&[][..], 0, &[FIRST, SECOND][..], FIRST, true),
            (&[], 0, &[FIRST, SECOND], SECOND, false),
            (&[], 0, &[], FIRST, false),
            (&[FIRST], 0, &[SECOND], SECOND, true),
            // The second would be handed over while the first is put off.
            (&[FIRST], 0, &[SECOND], FIRST, false),
            (&[FIRST], 0, &[], FIRST, true),
            (&[FIRST, SECOND], 0, &[], FIRST, false),
            (&[FIRST], 1, &[], FIRST, false),
        ] {
            let mut waiting = Waiting {
                again: messages(again),
                more_again,
                unread: messages(unread),
                ..Waiting::default()
            };
            waiting.pending.normal = u64::try_from(unread.len()).unwrap();
            let next = is_next(&waiting, id.parse().unwrap());
            assert_eq!(next, expected, "{again:?} {more_again} {unread:?} {id}");
        }
    }
}
