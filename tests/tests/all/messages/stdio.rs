//! Agents on standard input and output.

use wagglebus_harness::fleet::{Fleet, Options};
use wagglebus_schemas::{Draft, Level};

use super::{WITHIN, hive};
use crate::tmux::heartbeats::Heartbeats;

/// Acks the first message that it is given, and only once its standard input is closed.
const ACKS_AT_THE_END: &str = r#"
read -r message
id=${message#*\"id\":\"}
while read -r more; do :; done
printf '{"$":"ack","id":"%s"}\n' "${id%%\"*}"
"#;

async fn level(fleet: &Fleet, id: wagglebus_schemas::Id) -> Level {
    let alice = fleet.sidecar("alice").unwrap().client();
    alice.trace(id).await.unwrap().value.level
}

#[tokio::test]
async fn the_last_words_of_a_stopped_agent_count() {
    let mut fleet = hive(&["alice"]).await;
    fleet.enrol(&["bob"]).await.unwrap();
    let explicit = Options::stdio(&["--ack", "explicit"], &["sh", "-c", ACKS_AT_THE_END]);
    fleet.start("bob", &explicit).await.unwrap();
    let alice = fleet.sidecar("alice").unwrap().client();
    let options = wagglebus_client::SendOptions {
        wait: Some(Level::Injected),
        timeout: Some(WITHIN),
        park: true,
    };
    let draft = Draft::text("bob".parse().unwrap(), "finish this".to_owned());
    let sent = alice.send(&draft, options).await.unwrap().value;
    fleet.sidecar_mut("bob").unwrap().stop().await.unwrap();
    let done = async {
        while level(&fleet, sent.id).await != Level::Done {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(WITHIN, done).await.unwrap();
    fleet.until_settled("bob", WITHIN).await.unwrap();
}

#[tokio::test]
async fn a_program_that_keeps_ending_is_left_alone_and_its_agent_is_gone() {
    let mut fleet = hive(&["alice"]).await;
    fleet.enrol(&["bob"]).await.unwrap();
    let mut beats = Heartbeats::of(&fleet, "bob").await;
    fleet
        .start("bob", &Options::stdio(&[], &["sh", "-c", "exit 1"]))
        .await
        .unwrap();
    beats.state("starting").await;
    let gone = beats.like(|beat| beat["state"] == "gone").await;
    assert_eq!(gone["hold"]["reason"], "agent_gone");
    let metrics = fleet.sidecar("bob").unwrap().client().metrics().await.unwrap();
    let open = "breaker_open{agent=\"bob\",bridge=\"stdio\"} 1";
    assert!(metrics.contains(open), "{metrics}");
    fleet.sidecar_mut("bob").unwrap().stop().await.unwrap();
}
