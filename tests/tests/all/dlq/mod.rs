//! A message that died is listed, shown and sent again under its sender's name, with the built command line.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use wagglebus_client::Client;
use wagglebus_harness::fleet::{Fleet, program};
use wagglebus_nats::keys::BusUser;
use wagglebus_schemas::Priority;
use wagglebus_schemas::api::{InboxItem, NakRequest};

use crate::messages::{WITHIN, ack, draft, hive, send, take};

/// Runs the command line as a person would at somebody else's bus: address and key are named.
pub(crate) fn run(fleet: &Fleet, arguments: &[&str]) -> (i32, Value, String) {
    let bus = fleet.bus();
    let output = Command::new(program::find("wagglebus").unwrap())
        .args(["--json", "dlq"])
        .args(arguments)
        .args(["--server", bus.url()])
        .env_clear()
        .env("HOME", bus.home())
        .env("NATS_NKEY", BusUser::Admin.seed_file(bus.places()))
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    let stdout = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code().unwrap(), stdout, stderr)
}

/// The recipient gives the message back until it is dead. Returns its last hand-over.
async fn kill(client: &Client) -> InboxItem {
    loop {
        let items = take(client, 1).await;
        let [item] = &items[..] else { panic!("{items:?}") };
        let back = NakRequest {
            lease: item.lease.clone(),
            delay_ms: 0,
            reason: Some("not today".into()),
        };
        client.nak(item.message.id, &back).await.unwrap();
        if item.delivery == 5 {
            return item.clone();
        }
    }
}

/// Waits until the recipient's sidecar has written the letter.
async fn letters(fleet: &Fleet) -> Vec<Value> {
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    let written = async {
        loop {
            tick.tick().await;
            let (code, answer, stderr) = run(fleet, &["ls"]);
            assert_eq!(code, 0, "{stderr}");
            let items = answer["items"].as_array().unwrap().clone();
            if !items.is_empty() {
                return items;
            }
        }
    };
    tokio::time::timeout(WITHIN, written).await.unwrap()
}

/// Nothing is deleted: the letter is only listed no more, and everything else still knows it.
#[tokio::test]
async fn a_dropped_letter_is_hidden_and_stays() {
    let fleet = hive(&["alice", "bob"]).await;
    let alice = fleet.sidecar("alice").unwrap().client();
    let bob = fleet.sidecar("bob").unwrap().client();
    let mut ids = Vec::new();
    for text in ["one", "two"] {
        let sent = send(&alice, &draft("bob", Priority::High, text)).await;
        kill(&bob).await;
        ids.push(sent.id.to_string());
    }
    let listed = |arguments: &[&str]| -> Vec<Value> {
        let (code, answer, stderr) = run(&fleet, &[&["ls"], arguments].concat());
        assert_eq!(code, 0, "{stderr}");
        let items = answer["items"].as_array().unwrap().iter();
        items.map(|item| item["message_id"].clone()).collect()
    };
    let both = async { while letters(&fleet).await.len() < 2 {} };
    tokio::time::timeout(WITHIN, both).await.unwrap();

    let (code, _, stderr) = run(&fleet, &["drop", "--all"]);
    assert!(
        code == 2 && stderr.contains("2 dead letters would be dropped"),
        "{stderr}"
    );
    let (code, answer, _) = run(&fleet, &["drop", "--all", "--dry-run"]);
    assert_eq!((code, answer["items"].as_array().unwrap().len()), (0, 2));
    let (code, answer, _) = run(&fleet, &["drop", "--all", "--older", "1h", "--yes"]);
    assert_eq!((code, &answer["items"]), (0, &json!([])), "none is that old");
    assert_eq!(listed(&[]), [json!(ids[0]), json!(ids[1])]);

    let (code, answer, stderr) = run(&fleet, &["drop", &ids[0], "--why", "known"]);
    assert_eq!(
        (code, &answer["items"][0]["message_id"]),
        (0, &json!(ids[0])),
        "{stderr}"
    );
    assert_eq!(listed(&[]), [json!(ids[1])]);
    assert_eq!(listed(&["--dropped"]), [json!(ids[0])]);
    let (code, answer, _) = run(&fleet, &["drop", &ids[0]]);
    assert_eq!((code, &answer["items"]), (0, &json!([])), "it is dropped already");
    assert_eq!(run(&fleet, &["show", &ids[0]]).0, 0);
    assert_eq!(run(&fleet, &["retry", "--dry-run", &ids[0]]).0, 0);
    let other = "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c31";
    assert_eq!(run(&fleet, &["drop", other]).0, 3);
    assert_eq!(run(&fleet, &["drop"]).0, 2);

    let file = fleet.bus().home().join("dead.jsonl");
    let file = file.to_str().unwrap();
    let (code, answer, stderr) = run(&fleet, &["export", file]);
    assert_eq!((code, &answer["letters"]), (0, &json!(2)), "{stderr}");
    let lines: Vec<Value> = std::fs::read_to_string(file)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let said = |line: &Value| (line["message"]["content"].clone(), line["dropped"].is_string());
    assert_eq!(
        lines.iter().map(said).collect::<Vec<_>>(),
        [("one".into(), true), ("two".into(), false)]
    );
    assert_eq!(lines[0]["letter"]["message_id"], ids[0]);
    let (code, _, stderr) = run(&fleet, &["export", file]);
    assert!(code == 1 && stderr.contains("it exists"), "{stderr}");
}

#[tokio::test]
async fn a_dead_message_is_delivered_as_a_new_one_of_its_sender() {
    let fleet = hive(&["alice", "bob"]).await;
    let alice = fleet.sidecar("alice").unwrap().client();
    let bob = fleet.sidecar("bob").unwrap().client();
    let sent = send(&alice, &draft("bob", Priority::High, "try me")).await;
    let last = kill(&bob).await;
    assert_eq!(last.message.id, sent.id);

    let id = sent.id.to_string();
    let items = letters(&fleet).await;
    assert_eq!(items.len(), 1, "{items:?}");
    let expected = json!([id, "bob", "max_deliver", 5]);
    let fields = ["message_id", "agent", "reason", "delivery"].map(|key| items[0][key].clone());
    assert_eq!(json!(fields), expected);
    assert_eq!(run(&fleet, &["show", &id]).1["items"], json!(items));
    let other = "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c31";
    assert_eq!(run(&fleet, &["show", other]).0, 3);

    let stored = async || {
        fleet
            .bus()
            .admin()
            .get_stream("WB_MESSAGES")
            .await
            .unwrap()
            .get_info()
            .await
            .unwrap()
    };
    let before = stored().await.state.last_sequence;
    let (code, answer, stderr) = run(&fleet, &["retry", "--dry-run", &id]);
    assert_eq!(
        (code, &answer["items"][0]["retry_of"]),
        (0, &json!(id)),
        "{stderr}"
    );
    assert_eq!(run(&fleet, &["retry", other]).0, 3);
    assert_eq!(stored().await.state.last_sequence, before, "nothing was sent");

    // The letter's own id means the same, and naming it twice does not send it twice.
    let letter = items[0]["id"].as_str().unwrap();
    let (code, answer, stderr) = run(&fleet, &["retry", &id, letter]);
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(answer["items"].as_array().unwrap().len(), 1, "{answer}");
    let items = take(&bob, 8).await;
    let [item] = &items[..] else { panic!("{items:?}") };
    let message = &item.message;
    assert_eq!(json!(message.id), answer["items"][0]["id"]);
    assert_ne!(message.id, sent.id);
    assert_eq!((item.delivery, item.redelivered), (1, false));
    let mut as_it_was = last.message.clone();
    (as_it_was.id, as_it_was.timestamp) = (message.id, message.timestamp);
    as_it_was.metadata.insert("retry_of".into(), json!(id));
    assert_eq!(message, &as_it_was);
    ack(&bob, item).await;

    // What was sent once is told, and sent no second time unless that is asked for.
    let new = answer["items"][0]["id"].as_str().unwrap();
    assert_eq!(run(&fleet, &["show", &id]).1["items"][0]["retried"][0]["id"], new);
    let before = stored().await.state.last_sequence;
    for again in [
        &["retry", &id][..],
        &["retry", "--dry-run", &id],
        &["retry", "--yes", letter],
    ] {
        let (code, _, stderr) = run(&fleet, again);
        assert!(
            code == 6 && stderr.contains(new) && stderr.contains("--again"),
            "{stderr}"
        );
    }
    let (code, answer, stderr) = run(&fleet, &["retry", &id, "--id", new]);
    assert_eq!((code, &answer["items"][0]["id"]), (0, &json!(new)), "{stderr}");
    assert_eq!(stored().await.state.last_sequence, before, "nothing was sent");
    assert_eq!(run(&fleet, &["retry", "--again", &id]).0, 0);
    let items = take(&bob, 8).await;
    let [item] = &items[..] else { panic!("{items:?}") };
    let retried = run(&fleet, &["ls"]).1["items"][0]["retried"].clone();
    assert_eq!(
        [&retried[0]["id"], &retried[1]["id"]],
        [&json!(new), &json!(item.message.id)]
    );
    ack(&bob, item).await;
    fleet.until_settled("bob", WITHIN).await.unwrap();
}
