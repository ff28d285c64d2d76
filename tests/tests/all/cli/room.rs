//! Rooms: every member gets what is posted while it is one, at once, in its own lanes, with its own receipts.

use serde_json::Value;

use super::Home;

/// Below the sidecars' safety poll of 15 s: what comes in this time was announced.
const ANNOUNCED: &str = "10s";

impl Home {
    fn as_agent(&self, agent: &str, arguments: &[&str]) -> Value {
        self.json(&[&["--as", agent], arguments].concat())
    }

    /// Takes one message and is done with it. Returns its text.
    fn next(&self, agent: &str) -> String {
        let taken = self.as_agent(agent, &["inbox", "--take", "1", "--timeout", ANNOUNCED]);
        let item = &taken["messages"][0];
        let id = item["message"]["id"]
            .as_str()
            .unwrap_or_else(|| panic!("{agent} got nothing"));
        let lease = item["lease"].as_str().unwrap();
        self.as_agent(agent, &["ack", id, "--lease", lease]);
        item["message"]["content"].as_str().unwrap().to_owned()
    }

    fn waits(&self, agent: &str) -> usize {
        let peeked = self.as_agent(agent, &["inbox"]);
        peeked["messages"].as_array().unwrap().len()
    }
}

#[test]
fn each_member_gets_what_is_posted_while_it_is_one() {
    let (mut home, _) = Home::up();
    home.sidecars(&["alice", "bob", "carol"]);
    let (code, _, said) = home.run(&["send", "room:desing", "a mistake"]);
    assert!(code == 3 && said.contains("would reach nobody"), "{said}");
    home.as_agent(
        "alice",
        &["send", "--park", "room:design", "before anybody joined"],
    );
    let joined = home.as_agent("bob", &["room", "join", "design"]);
    assert_eq!(
        (&joined["name"], joined["joined_seq"].is_u64()),
        (&"design".into(), true)
    );
    assert_eq!(
        home.as_agent("bob", &["room", "join", "design"]),
        joined,
        "again: nothing changes"
    );
    home.as_agent("carol", &["room", "join", "design"]);

    let sent = home.as_agent("alice", &["send", "room:design", "first", "-p", "urgent"]);
    assert_eq!(
        (home.next("bob").as_str(), home.next("carol").as_str()),
        ("first", "first")
    );
    let id = sent["id"].as_str().unwrap();
    super::until(|| {
        let trace = home.as_agent("alice", &["trace", id]);
        let who = |receipt: &Value| receipt["level"] == "done" && receipt["agent"] != "alice";
        trace["receipts"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|receipt| who(receipt))
            .count()
            == 2
    });

    home.as_agent("bob", &["send", "room:design", "from a member"]);
    let pending = &home.as_agent("bob", &["inbox"])["pending"];
    assert_eq!(pending["normal"], 0, "nor is it counted");
    assert_eq!(home.next("carol"), "from a member");
    assert_eq!(home.waits("bob"), 0, "nobody gets their own post");

    let left = home.as_agent("bob", &["room", "leave", "design"]);
    assert_eq!(left["joined_seq"], Value::Null);
    let (code, _, said) = home.run(&["--as", "carol", "--json", "room", "leave", "desing"]);
    let error: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (code, &error["error"]["details"]["similar"][0]),
        (3, &"design".into()),
        "{said}"
    );
    let (code, _, said) = home.run(&["--as", "carol", "room", "leave", "nosuch"]);
    assert!(
        code == 3 && said.contains("carol is not in room nosuch"),
        "{said}"
    );
    home.as_agent("alice", &["send", "room:design", "while bob was away"]);
    assert_eq!(home.next("carol"), "while bob was away");
    home.as_agent("bob", &["room", "join", "design"]);
    home.as_agent("alice", &["send", "room:design", "bob is back"]);
    assert_eq!(home.next("bob"), "bob is back");
    assert_eq!(
        (home.next("carol").as_str(), home.waits("bob")),
        ("bob is back", 0)
    );

    let rooms = home.as_agent("bob", &["room", "ls"]);
    let rooms = rooms["items"].as_array().unwrap();
    let names: Vec<_> = rooms.iter().map(|room| room["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["all", "design"]);
    assert_eq!(rooms[1]["members"], serde_json::json!(["bob", "carol"]));

    home.as_agent("carol", &["send", "all", "to everybody", "-p", "high"]);
    for agent in ["alice", "bob", "operator"] {
        assert_eq!(home.next(agent), "to everybody");
    }
}

#[test]
fn rooms_need_a_coordinator_and_names_that_can_be() {
    let (home, _) = Home::up();
    let (code, _, said) = home.run(&["room", "join", "No Room"]);
    assert_eq!(code, 2, "{said}");
    for n in 0..63 {
        home.json(&["room", "join", &format!("r{n}")]);
    }
    let (code, _, said) = home.run(&["room", "join", "one-too-many"]);
    assert!(code == 6 && said.contains("leave one first"), "{said}");
}
