//! Agents that take their messages by themselves are told that there are some.

use wagglebus_schemas::Priority;

use super::heartbeats::Heartbeats;
use super::stage::reader_hive;
use crate::messages::{ack, draft, send, take};

#[tokio::test]
async fn a_nudge_tells_of_mail_and_takes_nothing() {
    let nudged = ["--profile", "claude", "--inject", "nudge", "--enter-delay", "0"];
    let (_tmux, reader, fleet) = reader_hive(&nudged).await;
    let alice = fleet.sidecar("alice").unwrap().client();
    let mut beats = Heartbeats::of(&fleet, "bob").await;
    let beat = beats
        .like(|beat| beat["bridges"][0]["name"] == "tmux_nudge")
        .await;
    assert_eq!(beat["bridges"][0]["proves"], "done");
    let sent = send(&alice, &draft("bob", Priority::Urgent, "secret body")).await;
    let submits = reader.submitted(1).await;
    assert!(
        submits[0].contains("for bob: 1 message waits (1 urgent); read with: /"),
        "{submits:?}"
    );
    assert!(
        submits[0].contains("/wagglebus --as bob inbox --take 1]"),
        "{submits:?}"
    );
    assert!(!submits[0].contains("secret"));
    let trace = alice.trace(sent.id).await.unwrap().value;
    assert!(trace.receipts.is_empty(), "it was not fetched");
    let bob = fleet.sidecar("bob").unwrap().client();
    let item = take(&bob, 1).await.remove(0);
    assert_eq!(
        (item.message.id, item.delivery, item.redelivered),
        (sent.id, 1, false)
    );
    ack(&bob, &item).await;
    send(&alice, &draft("bob", Priority::Low, "another")).await;
    let submits = reader.submitted(2).await;
    assert!(submits[1].contains("1 message waits; read"), "{submits:?}");
}

#[tokio::test]
async fn auto_shows_texts_until_the_agent_takes_one_by_itself() {
    let auto = ["--profile", "claude", "--enter-delay", "0"];
    let (_tmux, reader, fleet) = reader_hive(&auto).await;
    let (alice, bob) = (
        fleet.sidecar("alice").unwrap().client(),
        fleet.sidecar("bob").unwrap().client(),
    );
    send(&alice, &draft("bob", Priority::Normal, "as text")).await;
    assert!(reader.submitted(1).await[0].contains("| as text"));
    // Too long to be shown: the agent is told of it, and what comes behind it in other lanes is shown.
    let long = send(&alice, &draft("bob", Priority::Normal, &"long ".repeat(1_000))).await;
    let submits = reader.submitted(2).await;
    assert!(submits[1].contains("1 message waits"), "{submits:?}");
    send(&alice, &draft("bob", Priority::High, "short")).await;
    let submits = reader.submitted(3).await;
    assert!(submits[2].contains("| short"), "{submits:?}");
    let item = take(&bob, 1).await.remove(0);
    assert_eq!((item.message.id, item.delivery), (long.id, 1));
    ack(&bob, &item).await;
    // It has taken one: from here on it is told.
    send(&alice, &draft("bob", Priority::Normal, "short, too")).await;
    let submits = reader.submitted(4).await;
    assert!(submits[3].contains("1 message waits"), "{submits:?}");
}
