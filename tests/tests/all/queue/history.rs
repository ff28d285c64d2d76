//! A long history between two agents.

use std::time::Instant;

use futures::{StreamExt, stream};
use serde_json::Value;
use wagglebus_schemas::{AgentId, Priority, Recipient};

use super::open;

/// Many pages in both directions.
const MESSAGES: usize = 10_000;
/// Sends that are under way together.
const TOGETHER: usize = 64;

#[tokio::test]
async fn ten_thousand_messages_are_told_completely_and_by_time() {
    let (_fleet, queue) = open().await;
    let names: [AgentId; 2] = ["alice".parse().unwrap(), "bob".parse().unwrap()];
    let begun = Instant::now();
    let sends = (0..MESSAGES).map(|n| {
        let (from, to) = (&names[n % 2], Recipient::from(names[1 - n % 2].clone()));
        let queue = &queue;
        async move {
            queue
                .send_message(from, &to, n.to_string(), Priority::default())
                .await
                .unwrap()
                .id
        }
    });
    let mut sent: Vec<_> = stream::iter(sends).buffer_unordered(TOGETHER).collect().await;
    println!("{MESSAGES} messages sent in {:?}", begun.elapsed());

    let begun = Instant::now();
    let history = queue
        .get_conversation_history(&names[0], &names[1])
        .await
        .unwrap();
    println!("{MESSAGES} messages of history read in {:?}", begun.elapsed());
    assert!(history.is_sorted_by_key(|message| message.timestamp));
    let mut told: Vec<_> = history.iter().map(|message| message.id).collect();
    told.sort_unstable();
    sent.sort_unstable();
    assert_eq!(told, sent);
    let from_alice = history.iter().filter(|message| message.from_agent == names[0]);
    assert_eq!(from_alice.count(), MESSAGES / 2);
}

#[tokio::test]
async fn long_messages_make_short_pages_and_strangers_do_not_appear() {
    const LONG: usize = 40;
    let (fleet, queue) = open().await;
    let (alice, bob): (AgentId, AgentId) = ("alice".parse().unwrap(), "bob".parse().unwrap());
    let (to_bob, to_self) = (Recipient::from(bob.clone()), Recipient::from(alice.clone()));
    let text = "x".repeat(256 * 1024);
    for _ in 0..LONG {
        queue
            .send_message(&alice, &to_bob, text.as_str(), Priority::Low)
            .await
            .unwrap();
    }
    let own = queue
        .send_message(&alice, &to_self, "a note", Priority::High)
        .await
        .unwrap();

    let client = fleet.sidecar("alice").unwrap().client();
    let first = client.messages(Some(&to_bob), None).await.unwrap().value;
    assert!(first.items.len() < LONG && first.next_cursor.is_some());
    let history = queue.get_conversation_history(&alice, &bob).await.unwrap();
    assert_eq!(history.len(), LONG);

    let taken = queue.receive_messages(&alice, super::rust::WITHIN).await.unwrap();
    assert_eq!(taken.len(), 1);
    let notes = queue.get_conversation_history(&alice, &alice).await.unwrap();
    let ids: Vec<_> = notes.iter().map(|message| message.id).collect();
    assert_eq!(ids, [own.id], "sent and received, told once");

    let all = client.get("/v1/messages?limit=500").await.unwrap().value;
    assert_eq!(all["next_cursor"].is_null(), first.next_cursor.is_none());
    for bad in ["limit=0", "cursor=x", "wiht=bob", "with=A.B"] {
        let refused = client.get(&format!("/v1/messages?{bad}")).await.unwrap_err();
        assert_eq!(
            refused.code().map(|code| code.as_str()),
            Some("invalid_query"),
            "{bad}"
        );
    }
    let nobody = client.get("/v1/messages?with=carol").await.unwrap().value;
    assert_eq!(
        (&nobody["items"], &nobody["next_cursor"]),
        (&Value::Array(Vec::new()), &Value::Null)
    );
}
