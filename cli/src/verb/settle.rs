//! What `ack` and `nak` share: finding the lease of a message that the caller did not write down.

use std::time::Duration;

use wagglebus_client::{Client, Take};
use wagglebus_schemas::api::NakRequest;
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::id::Id;

use crate::failure::Failure;

/// Long enough to settle what was just taken.
const LEASE: Duration = Duration::from_secs(60);

/// The lease given, else the current one, else that of a take which yields just this message.
///
/// # Errors
/// `not_found` when the message is neither in hand nor next. What the take yielded instead is put back at once, at
/// the head of its lane.
pub(crate) async fn lease(client: &Client, id: Id, given: Option<String>) -> Result<String, Failure> {
    if let Some(lease) = given {
        return Ok(lease);
    }
    let peek = client.peek().await?.value;
    if let Some(item) = peek.in_hand.into_iter().find(|item| item.message.id == id) {
        return item.lease.ok_or_else(|| {
            Failure::contract(
                ErrorCode::LeaseLost,
                format!("{id} is in the agent's hands, but not by a lease"),
            )
            .fix("the agent itself settles it")
        });
    }
    // Whatever the sidecar's numbers say: they are as old as its last look.
    let taken = client
        .inbox(Take {
            lease: LEASE,
            ..Take::default()
        })
        .await?
        .value;
    for item in taken.messages {
        if item.message.id == id {
            return Ok(item.lease);
        }
        let back = NakRequest {
            lease: item.lease,
            delay_ms: 0,
            reason: Some("taken by mistake".into()),
        };
        client.nak(item.message.id, &back).await?;
    }
    Err(Failure::contract(
        ErrorCode::NotFound,
        format!("{id} is neither in hand nor next in the inbox"),
    )
    .fix(format!(
        "see where it is: wagglebus trace {id}; take what waits: wagglebus inbox --take 32"
    )))
}
