//! The queue of `wagglebus-client`.

use std::time::{Duration, Instant};

use wagglebus_client::{AgentMessageQueue, ClientError, QueueError};
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::{AgentId, Id, Level, Message, Priority, Recipient};

use super::open;

pub(super) const WITHIN: Duration = Duration::from_secs(30);

async fn send(queue: &AgentMessageQueue, from: &AgentId, to: &AgentId, text: &str) -> Id {
    let to = Recipient::from(to.clone());
    let sent = queue
        .send_message(from, &to, text, Priority::default())
        .await
        .unwrap();
    assert_eq!((sent.level, sent.duplicate), (Level::Stored, false));
    sent.id
}

async fn receive(queue: &AgentMessageQueue, agent: &AgentId) -> Message {
    let mut messages = queue.receive_messages(agent, WITHIN).await.unwrap();
    assert_eq!(messages.len(), 1, "{messages:?}");
    messages.remove(0)
}

#[tokio::test]
async fn a_message_is_sent_received_acknowledged_and_remembered() {
    let (fleet, queue) = open().await;
    let (alice, bob): (AgentId, AgentId) = ("alice".parse().unwrap(), "bob".parse().unwrap());

    let question = send(&queue, &alice, &bob, "quo vadis? 🐝").await;
    let received = receive(&queue, &bob).await;
    assert_eq!((received.id, &received.from_agent), (question, &alice));
    assert_eq!(received.content, "quo vadis? 🐝");
    for _ in 0..2 {
        let acked = queue.acknowledge_message(question).await.unwrap();
        assert_eq!((acked.id, acked.level), (question, Level::Done));
    }

    let unknown = Id::from_bytes([7; 16]);
    let refused = queue.acknowledge_message(unknown).await.unwrap_err();
    assert!(
        matches!(refused, QueueError::UnknownMessage { id } if id == unknown),
        "{refused:?}"
    );
    assert_eq!(refused.code(), Some(ErrorCode::NotFound));

    let begun = Instant::now();
    let timeout = Duration::from_millis(300);
    assert!(queue.receive_messages(&bob, timeout).await.unwrap().is_empty());
    assert!(begun.elapsed() >= timeout);

    let nobody: Recipient = "bop".parse().unwrap();
    let refused = queue
        .send_message(&alice, &nobody, "hi", Priority::High)
        .await
        .unwrap_err();
    assert!(matches!(refused, QueueError::Send { .. }), "{refused:?}");
    assert_eq!(refused.code(), Some(ErrorCode::UnknownAgent));

    // Not taken by alice yet: only bob's sidecar knows of it.
    let answer = send(&queue, &bob, &alice, "to the hive").await;
    let history = queue.get_conversation_history(&alice, &bob).await.unwrap();
    let seen: Vec<_> = history
        .iter()
        .map(|message| (message.id, message.acknowledged))
        .collect();
    assert_eq!(seen, [(question, true), (answer, false)]);
    let reverse = queue.get_conversation_history(&bob, &alice).await.unwrap();
    assert_eq!(reverse, history);
    drop(fleet);
}

#[tokio::test]
async fn the_most_urgent_come_first() {
    let (_fleet, queue) = open().await;
    let (alice, bob): (AgentId, AgentId) = ("alice".parse().unwrap(), "bob".parse().unwrap());
    let to = Recipient::from(bob.clone());
    for priority in [Priority::Low, Priority::Normal, Priority::High, Priority::Urgent] {
        queue
            .send_message(&alice, &to, priority.as_str(), priority)
            .await
            .unwrap();
    }
    let mut received = Vec::new();
    while received.len() < 4 {
        for message in queue.receive_messages(&bob, WITHIN).await.unwrap() {
            queue.acknowledge_message(message.id).await.unwrap();
            received.push(message.content);
        }
    }
    assert_eq!(received, ["urgent", "high", "normal", "low"]);
}

#[tokio::test]
async fn an_agent_without_a_sidecar_is_named() {
    let (mut fleet, queue) = open().await;
    let (alice, bob): (AgentId, AgentId) = ("alice".parse().unwrap(), "bob".parse().unwrap());
    let id = send(&queue, &alice, &bob, "anybody there?").await;
    fleet.sidecar_mut("bob").unwrap().stop().await.unwrap();
    let refused = queue.receive_messages(&bob, WITHIN).await.unwrap_err();
    assert!(
        matches!(&refused, QueueError::Client(ClientError::NoSidecar { agent, .. }) if *agent == bob),
        "{refused:?}"
    );
    // Half of the history is better than none.
    let history = queue.get_conversation_history(&bob, &alice).await.unwrap();
    assert_eq!(history.iter().map(|message| message.id).collect::<Vec<_>>(), [id]);
    fleet.sidecar_mut("alice").unwrap().stop().await.unwrap();
    let refused = queue.get_conversation_history(&bob, &alice).await.unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::BusUnreachable));
}
