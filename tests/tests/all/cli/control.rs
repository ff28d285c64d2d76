//! The operator stops agents and lets them go on; who waits is told what to type.

use serde_json::Value;

use super::{Home, until};

impl Home {
    /// What a verb prints when all is well.
    fn says(&self, arguments: &[&str]) -> String {
        let (code, stdout, stderr) = self.run(arguments);
        assert_eq!(code, 0, "{arguments:?}: {stderr}");
        stdout
    }

    fn taken_at_once(&self) -> Vec<Value> {
        let taken = self.json(&["--as", "bob", "inbox", "--take", "1", "--timeout", "0s"]);
        taken["messages"].as_array().unwrap().clone()
    }
}

#[test]
fn pause_resume_and_halt_stop_hand_overs_and_trace_names_what_to_type() {
    let (mut home, _) = Home::up();
    home.sidecars(&["bob"]);
    assert_eq!(home.says(&["pause", "bob"]), "bob paused\n");
    until(|| home.says(&["status"]).contains("ready, paused"));
    until(|| home.says(&["agents"]).contains("idle,paused"));
    let sent = home.json(&["send", "bob", "not now", "-p", "urgent"]);
    let id = sent["id"].as_str().unwrap();
    let traced = |home: &Home| home.says(&["trace", id]);
    until(|| traced(&home).contains("paused at bob"));
    assert!(
        traced(&home).contains("next: wagglebus resume bob"),
        "{}",
        traced(&home)
    );
    assert!(home.taken_at_once().is_empty());

    assert_eq!(home.says(&["halt"]), "wb halted\n");
    assert_eq!(home.says(&["resume", "bob"]), "bob resumed\n");
    until(|| home.says(&["status"]).contains("ready, halted"));
    until(|| traced(&home).contains("next: wagglebus resume   # the whole hive is halted"));
    assert!(home.taken_at_once().is_empty());
    let fsm = home.json(&["resume"]);
    assert_ne!(fsm["state"], "halt", "{fsm}");
    let taken = home.json(&["--as", "bob", "inbox", "--take", "1", "--timeout", "10s"]);
    assert_eq!(taken["messages"][0]["message"]["id"], id);

    for (arguments, exit, part) in [
        (&["pause", "bbo"][..], 3, "bob"),
        (&["--as", "bob", "halt"], 6, "wagglebus --as operator"),
        (&["pause", "A.B"], 6, "agent id"),
        (&["pause"], 2, "<AGENT>"),
    ] {
        let (code, _, stderr) = home.run(arguments);
        assert_eq!(code, exit, "{arguments:?}: {stderr}");
        assert!(stderr.contains(part), "{stderr}");
    }
}
