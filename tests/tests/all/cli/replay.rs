//! Replays: new messages of whoever replays them.

use serde_json::{Value, json};

use super::Home;

#[test]
fn stored_messages_are_sent_once_more_in_ones_own_name() {
    let (mut home, _) = Home::up();
    home.sidecars(&["alice", "bob"]);
    let ids: Vec<String> = ["one", "two"]
        .iter()
        .map(|text| {
            let sent = home.json(&["--as", "alice", "send", "bob", text, "-p", "high", "-t", "task"]);
            sent["id"].as_str().unwrap().to_owned()
        })
        .collect();
    let run = |arguments: &[&str]| home.run(&[&["--json", "replay"], arguments].concat());
    let messages = |agent: &str| -> Vec<Value> {
        let inbox = home.json(&["--as", agent, "inbox"]);
        inbox["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["message"].clone())
            .collect()
    };

    // One by its id, to somebody else.
    let (code, stdout, stderr) = run(&[&ids[0], "--to", "operator"]);
    assert_eq!(code, 0, "{stderr}");
    let told: Value = serde_json::from_str(&stdout).unwrap();
    let new = &messages("operator")[0];
    assert_eq!(
        (&told["items"][0]["replay_of"], &told["items"][0]["id"]),
        (&json!(ids[0]), &new["id"])
    );
    let fields = [
        "from_agent",
        "content",
        "priority",
        "message_type",
        "conversation_id",
    ]
    .map(|f| new[f].clone());
    assert_eq!(json!(fields), json!(["operator", "one", "high", "task", ids[0]]));
    assert_eq!(
        new["metadata"],
        json!({ "replay_of": ids[0], "replay_from": "alice" })
    );

    // Several only when that is meant.
    let chosen = ["--as", "alice", "--with", "bob", "--since", "1h"];
    let (code, _, stderr) = run(&chosen);
    assert!(
        code == 2 && stderr.contains("2 messages would be sent"),
        "{stderr}"
    );
    let (code, stdout, _) = run(&[&chosen[..], &["--dry-run"]].concat());
    let told: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &told["items"][1]["draft"]["content"]), (0, &json!("two")));
    assert_eq!(messages("bob").len(), 2, "nothing was sent");
    let (code, _, stderr) = run(&[&chosen[..], &["--yes"]].concat());
    assert_eq!(code, 0, "{stderr}");
    let contents: Vec<Value> = messages("bob")
        .iter()
        .map(|message| message["content"].clone())
        .collect();
    assert_eq!(
        json!(contents),
        json!(["one", "two", "one", "two"]),
        "in their order"
    );

    // To standard output, as published.
    let (code, stdout, stderr) = run(&["--everybody", "--grep", "two", "--to", "-", "--limit", "1"]);
    assert_eq!(code, 0, "{stderr}");
    let line: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(
        (&line["content"], &line["metadata"]["replay_of"]),
        (&json!("two"), &json!(ids[1]))
    );

    for (arguments, exit, part) in [
        (&[][..], 2, "which messages"),
        (&["3a0f3b8e-54c6-4d0e-9f9f-1c2d3e4f5a6b"], 3, "is found"),
        (&["--grep", "never said", "--yes"], 3, "nothing found"),
        (&[&ids[0], "--with", "bob"], 2, "exclude each other"),
        (&[&ids[0], "--to", "nobody"], 3, "nobody"),
        (&[&ids[0], "--to", "a.b"], 6, "is no agent id"),
    ] {
        let (code, stdout, stderr) = run(arguments);
        assert_eq!(code, exit, "{arguments:?} {stdout}{stderr}");
        assert!(stderr.contains(part), "{arguments:?} {stderr}");
    }
}
