//! What `ack` and `nak` share: finding the lease of a message that the caller did not write down.

use std::time::Duration;

use wagglebus_client::{Client, Take};
use wagglebus_schemas::api::{InboxPeek, NakRequest};
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::id::Id;

use crate::failure::Failure;
use crate::session::Session;
use crate::verb::inbox::unread::Lanes;

/// Long enough to settle what was just taken.
const LEASE: Duration = Duration::from_secs(60);

/// The lease given, else the current one, else that of a take, if the message is the next to be handed over. No other
/// message is taken for it: that would count as a hand-over of that one.
///
/// # Errors
/// `not_found` when the message is neither in hand nor next.
pub(crate) async fn lease(
    session: &Session,
    client: &Client,
    id: Id,
    given: Option<String>,
) -> Result<String, Failure> {
    if let Some(lease) = given {
        return Ok(lease);
    }
    let peek = client.peek().await?.value;
    if let Some(item) = peek.in_hand.iter().find(|item| item.message.id == id) {
        return item.lease.clone().ok_or_else(|| {
            Failure::contract(
                ErrorCode::LeaseLost,
                format!("{id} is in the agent's hands, but not by a lease"),
            )
            .fix("the agent itself settles it")
        });
    }
    if head(session, &peek).await? != Some(id) {
        return Err(neither(id));
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
    lease.ok_or_else(|| neither(id))
}

/// The first message of the highest lane that has any, as the stream has it.
async fn head(session: &Session, peek: &InboxPeek) -> Result<Option<Id>, Failure> {
    let unknown = |why: String| {
        Failure::failed("which message is next cannot be seen from here")
            .why(why)
            .fix("take it, then settle it with its lease: wagglebus inbox --take 1")
    };
    let lanes = Lanes::open(session.places(), session.sender()?).await;
    let lanes = lanes.map_err(|failure| unknown(failure.what()))?;
    let waiting = lanes.look().await.map_err(|error| unknown(error.to_string()))?;
    Ok(waiting
        .without(peek)
        .unread
        .first()
        .map(|unread| unread.message.id))
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
