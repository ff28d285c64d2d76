//! Mail that does not move: its sender is told why, and the trace says it in one sentence.

use serde_json::Value;

use super::{Home, until};

impl Home {
    fn explained(&self, id: &str) -> String {
        self.json(&["trace", id])["explanation"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    fn held(&self, id: &str) -> Vec<Value> {
        let trace = self.json(&["trace", id]);
        let receipts = trace["receipts"].as_array().unwrap().iter();
        receipts
            .filter(|receipt| receipt["level"] == "held")
            .cloned()
            .collect()
    }
}

/// Kills the coordinator; `up` starts another one.
fn restart_coordinator(home: &Home) {
    let ready = || std::fs::read(home.path("run/wb/coordinator.ready")).unwrap_or_default();
    let before = ready();
    let pid: Value = serde_json::from_slice(&before).unwrap();
    let pid = pid["pid"].to_string();
    let killed = std::process::Command::new("kill").args(["-KILL", &pid]).status();
    assert!(killed.unwrap().success());
    until(|| !ready().is_empty() && ready() != before);
}

#[test]
fn the_head_of_each_lane_of_a_lost_agent_is_held_and_the_rest_is_queued() {
    let (mut home, _) = Home::up();
    home.sidecars(&["bob"]);
    let send = |home: &Home, priority: &str| {
        let sent = home.json(&["send", "bob", "are you there?", "-p", priority]);
        sent["id"].as_str().unwrap().to_owned()
    };
    let before = send(&home, "normal");
    let mut bob = home.agents.pop().unwrap();
    bob.kill().unwrap();
    bob.wait().unwrap();
    until(|| home.explained(&before).contains("no_sidecar at bob"));
    let behind = send(&home, "normal");
    let urgent = send(&home, "urgent");
    until(|| home.explained(&urgent).contains("no_sidecar at bob"));
    assert!(
        home.explained(&behind).contains("queued at bob"),
        "{}",
        home.explained(&behind)
    );
    assert!(home.held(&behind).is_empty());
    let held = home.held(&before);
    assert_eq!(held.len(), 1, "once per hold: {held:?}");
    restart_coordinator(&home);
    let later = send(&home, "high");
    until(|| home.explained(&later).contains("no_sidecar at bob"));
    assert_eq!(
        home.held(&before).len(),
        1,
        "a new coordinator does not repeat it"
    );
    assert_eq!(
        (&held[0]["agent"], &held[0]["proof"]),
        (&"bob".into(), &"none".into())
    );
    assert!(held[0]["bridge"].is_null() && held[0]["epoch"].is_null() && held[0]["delivery"].is_null());

    // Whoever was killed leaves its file behind.
    std::fs::remove_file(home.path("run/wb/bob.json")).unwrap();
    home.sidecars(&["bob"]);
    for id in [&urgent, &later, &before, &behind] {
        let taken = home.json(&["--as", "bob", "inbox", "--take", "1", "--timeout", "10s"]);
        let lease = taken["messages"][0]["lease"].as_str().unwrap();
        home.json(&["--as", "bob", "ack", id, "--lease", lease]);
        until(|| home.explained(id).starts_with("done by bob"));
    }
}

#[test]
fn an_agent_that_works_is_busy_and_one_that_asks_for_nothing_cannot_be_woken() {
    let (mut home, _) = Home::up();
    home.sidecars(&["worker", "sleeper"]);
    let send = |to: &str| {
        home.json(&["send", to, "please"])["id"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let (first, sleeping) = (send("worker"), send("sleeper"));
    until(|| home.explained(&sleeping).contains("cannot_wake at sleeper"));
    // Whoever waits in vain hears why, and what to do about it.
    let waiting = [
        "--json",
        "send",
        "sleeper",
        "please",
        "--id",
        &sleeping,
        "--wait",
        "fetched",
        "--timeout",
        "0",
    ];
    let (code, _, stderr) = home.run(&waiting);
    let error: Value = serde_json::from_str(&stderr).unwrap();
    let error = &error["error"];
    assert_eq!(
        (code, &error["details"]["held"]["reason"]),
        (4, &"cannot_wake".into()),
        "{stderr}"
    );
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("cannot_wake at sleeper"),
        "{stderr}"
    );
    assert!(
        error["hint"].as_str().unwrap().contains("--as sleeper inbox"),
        "{stderr}"
    );
    let taken = home.json(&["--as", "worker", "inbox", "--take", "1", "--timeout", "10s"]);
    assert_eq!(taken["messages"][0]["message"]["id"], first.as_str());
    let second = send("worker");
    until(|| home.explained(&second).contains("busy at worker"));
    let lease = taken["messages"][0]["lease"].as_str().unwrap();
    home.json(&["--as", "worker", "ack", &first, "--lease", lease]);
    let taken = home.json(&["--as", "worker", "inbox", "--take", "1", "--timeout", "10s"]);
    assert_eq!(taken["messages"][0]["message"]["id"], second.as_str());
}
