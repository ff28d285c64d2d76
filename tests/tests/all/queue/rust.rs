//! The queue of `wagglebus-client`.

use std::time::{Duration, Instant};

use wagglebus_client::{AgentMessageQueue, ClientError, QueueError};
use wagglebus_harness::fleet::Fleet;
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::{AgentId, Id, Level, Message, Priority, Recipient};

use super::{join_design, open};

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

/// Both are in the room: two hand-overs of one id.
#[tokio::test]
async fn a_post_in_a_room_is_settled_for_each_member() {
    let (mut fleet, queue) = open().await;
    join_design(&mut fleet).await;
    let (alice, bob): (AgentId, AgentId) = ("alice".parse().unwrap(), "bob".parse().unwrap());
    let (carol, room): (AgentId, Recipient) = ("carol".parse().unwrap(), "room:design".parse().unwrap());
    let post = async |text: &str| {
        let sent = queue.send_message(&carol, &room, text, Priority::High).await;
        let id = sent.unwrap().id;
        for agent in [&alice, &bob] {
            assert_eq!(receive(&queue, agent).await.id, id);
        }
        id
    };
    let both = post("to all of you").await;
    let first = queue.acknowledge_message(both).await.unwrap();
    assert_eq!(first.level, Level::Done);
    for agent in ["alice", "bob"] {
        assert_eq!(in_hand(&fleet, agent).await, [], "{agent}");
    }
    assert_eq!(queue.acknowledge_message(both).await.unwrap(), first);

    let one = post("each by itself").await;
    queue.acknowledge_message((one, &alice)).await.unwrap();
    assert_eq!(in_hand(&fleet, "bob").await, [one]);
    let long = queue.extend_message((one, &bob), Duration::from_secs(1800));
    let long = long.await.unwrap().lease_expires_at;
    let short = queue.extend_message(one, Duration::from_secs(30)).await.unwrap();
    assert!(long > short.lease_expires_at, "of bob, who has it still");
    let given_back = queue.nak_message(one, Duration::ZERO, Some("not now")).await;
    assert_eq!(given_back.unwrap().id, one);
    let lost = queue.acknowledge_message((one, &bob)).await.unwrap_err();
    assert_eq!(lost.code(), Some(ErrorCode::LeaseLost), "it was given back");
    assert_eq!(receive(&queue, &bob).await.id, one);
    queue.acknowledge_message(one).await.unwrap();
    let stranger = queue.acknowledge_message((one, &carol)).await.unwrap_err();
    assert!(
        matches!(stranger, QueueError::UnknownMessage { .. }),
        "{stranger:?}"
    );
    for agent in ["alice", "bob"] {
        fleet.sidecar_mut(agent).unwrap().stop().await.unwrap();
        assert_eq!(fleet.unsettled(agent).await.unwrap(), 0, "{agent}");
    }
}

/// The messages that the agent holds.
pub(super) async fn in_hand(fleet: &Fleet, agent: &str) -> Vec<Id> {
    let peek = fleet.sidecar(agent).unwrap().client().peek().await.unwrap();
    let in_hand = peek.value.in_hand.into_iter();
    in_hand.map(|item| item.message.id).collect()
}
