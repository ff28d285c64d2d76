//! What a fault does to messages: nothing that was accepted is lost, and what cannot be done is said.

mod corruption;
mod disk;
mod fencing;
mod outage;

use wagglebus_client::{Client, ClientError, SendOptions};
use wagglebus_schemas::api::SendAnswer;
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::{Draft, Level, Priority};

use crate::messages::{WITHIN, draft};

/// Messages with ids of their own, so that a repeat is the same message.
fn numbered(seed: u64, count: usize) -> Vec<Draft> {
    let mut rng = wagglebus_harness::rng::Rng::new(seed);
    let named = |n: usize| Draft {
        id: Some(rng.id()),
        ..draft("bob", Priority::Normal, &format!("message number {n:04}"))
    };
    (0..count).map(named).collect()
}

/// Sends without waiting for more than the sidecar's own promise.
async fn accept(client: &Client, draft: &Draft) -> Result<SendAnswer, ClientError> {
    let options = SendOptions {
        park: true,
        ..SendOptions::default()
    };
    Ok(client.send(draft, options).await?.value)
}

/// Waits until a message that was accepted is stored.
async fn stored(client: &Client, draft: &Draft) -> SendAnswer {
    let options = SendOptions {
        wait: Some(Level::Stored),
        timeout: Some(WITHIN),
        park: true,
    };
    client.send(draft, options).await.unwrap().value
}

fn code(refused: Result<SendAnswer, ClientError>) -> Option<ErrorCode> {
    refused.unwrap_err().code()
}

/// Takes and acks until all of `sent` have come, and checks that they came once, in order, and nothing else did.
async fn arrive(bob: &Client, sent: &[&Draft]) {
    let mut come = Vec::new();
    while come.len() < sent.len() {
        for item in crate::messages::take(bob, 32).await {
            crate::messages::ack(bob, &item).await;
            come.push(item.message.id);
        }
    }
    let sent: Vec<_> = sent.iter().map(|draft| draft.id.unwrap()).collect();
    assert_eq!(come, sent);
}
