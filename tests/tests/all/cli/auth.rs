//! `auth`: agents that are let in, get new keys and go, while their sidecars run.

use serde_json::Value;

use super::{Home, until};

#[test]
fn an_agent_is_let_in_without_a_sidecar_and_listed() {
    let (home, _) = Home::up();
    let added = home.json(&["auth", "add", "carol"]);
    assert!(
        added["seed_file"].as_str().unwrap().ends_with("keys/carol.nk"),
        "{added}"
    );
    assert_eq!(added["api_prefix"], "wb.js");
    let listed = home.json(&["auth", "ls"]);
    let names: Vec<_> = listed["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| &item["agent"])
        .collect();
    assert_eq!(names, ["carol", "operator"], "{listed}");
    assert_eq!(listed["items"][0]["nkey"], added["nkey"]);

    // What it says works: a sidecar elsewhere with a copy of the key.
    let (_, _, said) = home.run(&["auth", "add", "carol"]);
    let line = said
        .lines()
        .find_map(|line| line.trim().strip_prefix("wagglebus "))
        .unwrap();
    let mut home = home;
    let mut command = home.command(wagglebus_harness::fleet::program::find("wagglebus").unwrap());
    command.args(line.split(' '));
    home.keep(command, "run/wb/carol.json", "carol.log");
    assert_eq!(home.file("run/wb/carol.json")["trust"], "isolated");

    for (arguments, code) in [(["auth", "rm", "nobody"], 3), (["auth", "rotate", "nobody"], 3)] {
        assert_eq!(home.run(&arguments).0, code, "{arguments:?}");
    }
    for verb in ["add", "rm"] {
        let (code, _, said) = home.run(&["auth", verb, "coordinator"]);
        assert!(code == 6 || code == 3, "{verb}: {said}");
    }
    assert_eq!(home.run(&["auth", "rm", "operator"]).0, 6);
    home.json(&["auth", "rotate", "operator"]);
    until(|| home.run(&["send", "carol", "with a new key"]).0 == 0);
}

#[test]
fn a_sidecar_that_runs_takes_its_new_key() {
    let (mut home, _) = Home::up();
    home.sidecars(&["alice", "bob"]);
    let before = home.json(&["auth", "ls"])["items"][0]["nkey"].clone();
    let rotated = home.json(&["auth", "rotate", "alice"]);
    assert_ne!(rotated["nkey"], before);
    let sent = home.json(&["--as", "bob", "send", "alice", "hello", "--wait", "stored"]);
    let taken = home.json(&["--as", "alice", "inbox", "--take", "1", "--timeout", "20s"]);
    assert_eq!(taken["messages"][0]["message"]["id"], sent["id"]);
    home.json(&["--as", "alice", "ack", sent["id"].as_str().unwrap()]);
    until(|| home.json(&["--as", "bob", "trace", sent["id"].as_str().unwrap()])["level"] == "done");
}

#[test]
fn an_agent_goes_when_it_has_no_mail_or_when_that_may_go() {
    let (mut home, _) = Home::up();
    home.sidecars(&["alice", "bob"]);
    let sent = home.json(&["--as", "bob", "send", "alice", "unread", "--wait", "stored"]);
    let (code, _, said) = home.run(&["auth", "rm", "alice"]);
    assert!(code == 6 && said.contains("--discard-unread"), "{said}");
    assert_eq!(home.run(&["auth", "token", "add", "ci", "--agent", "alcie"]).0, 3);
    home.json(&["auth", "token", "add", "ci", "--agent", "alice"]);
    let gone = home.json(&["auth", "rm", "alice", "--discard-unread"]);
    assert_eq!(
        (&gone["discarded"], &gone["tokens"][0]),
        (&1.into(), &"ci".into())
    );
    assert_eq!(
        home.json(&["auth", "token", "ls"])["items"],
        Value::Array(Vec::new())
    );
    assert!(gone["sidecar_pid"].is_number(), "{gone}");
    assert!(!home.path("state/wagglebus/wb/keys/alice.nk").exists());
    until(|| {
        home.json(&["--as", "bob", "trace", sent["id"].as_str().unwrap()])["explanation"]
            .as_str()
            .unwrap()
            .starts_with("dead: operator")
    });
    let (code, report, _) = home.run(&["--json", "doctor"]);
    let report: Value = serde_json::from_str(&report).unwrap();
    let findings = report["findings"].as_array().unwrap();
    let fix = |finding: &&Value| {
        finding["fix"]
            .as_str()
            .is_some_and(|fix| fix.starts_with("wagglebus auth add alice"))
    };
    assert!(
        code == 1 && findings.iter().any(|finding| fix(&finding)),
        "{report}"
    );
    let letters = home.json(&["dlq", "ls"]);
    assert_eq!(letters["items"][0]["message_id"], sent["id"], "{letters}");
    // Who knew her learns it when he asks anew, at the latest after a minute.
    let asks = ["--as", "bob", "send", "alice", "are you there?", "--wait", "done"];
    until(|| home.run(&asks).0 == 3);
    assert_eq!(home.run(&["--as", "bob", "send", "alice", "really?"]).0, 3);
}
