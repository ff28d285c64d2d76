//! A long history between two agents.

use std::time::Instant;

use futures::{StreamExt, stream};
use serde_json::Value;
use wagglebus_client::{Client, Paging};
use wagglebus_schemas::{AgentId, Id, Priority, Recipient};

use super::open;

/// Many pages in both directions.
const MESSAGES: usize = 10_000;
/// Sends that are under way together.
const TOGETHER: usize = 64;

#[tokio::test]
async fn ten_thousand_messages_are_told_completely_and_by_time() {
    let (fleet, queue) = open().await;
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

    // Alice's sidecar has what she sent, from either end.
    let client = fleet.sidecar("alice").unwrap().client();
    let begun = Instant::now();
    let forwards = pages(&client, false).await;
    let mut backwards = pages(&client, true).await;
    println!(
        "{} messages read in both directions in {:?}",
        forwards.len(),
        begun.elapsed()
    );
    assert_eq!(backwards.len(), MESSAGES / 2);
    backwards.reverse();
    assert_eq!(backwards, forwards);
    let newest = Paging {
        newest_first: true,
        limit: Some(1),
        ..Paging::default()
    };
    let begun = Instant::now();
    let newest = client.messages(None, newest).await.unwrap().value;
    println!("the newest one read in {:?}", begun.elapsed());
    assert_eq!(Some(newest.items[0].id), forwards.last().copied());
    assert!(newest.next_cursor.is_some());
}

/// The ids of all messages, page by page.
async fn pages(client: &Client, newest_first: bool) -> Vec<Id> {
    let (mut ids, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let paging = Paging {
            cursor: cursor.as_deref(),
            newest_first,
            limit: Some(333),
        };
        let page = client.messages(None, paging).await.unwrap().value;
        ids.extend(page.items.into_iter().map(|message| message.id));
        cursor = page.next_cursor;
        if cursor.is_none() {
            return ids;
        }
    }
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
    let first = client
        .messages(Some(&to_bob), Paging::default())
        .await
        .unwrap()
        .value;
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
    for bad in ["limit=0", "cursor=x", "wiht=bob", "with=A.B", "order=up"] {
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
