//! Settling without a lease: the next message is taken, no other one ever.

use serde_json::Value;

use super::Home;

fn deliveries(home: &Home) -> Vec<Value> {
    let inbox = home.json(&["--as", "alice", "inbox"]);
    let messages = inbox["messages"].as_array().unwrap();
    messages.iter().map(|item| item["delivery"].clone()).collect()
}

#[test]
fn ack_takes_the_next_message_and_no_other() {
    let (mut home, _) = Home::up();
    home.sidecars(&["alice"]);
    let send = |text: &str, priority: &str| {
        let sent = home.json(&["send", "alice", text, "-p", priority]);
        sent["id"].as_str().unwrap().to_owned()
    };
    let (second, first) = (send("two", "normal"), send("one", "high"));
    assert_eq!(deliveries(&home), [0, 0]);

    for verb in ["ack", "nak"] {
        let (code, _, stderr) = home.run(&["--as", "alice", verb, &second]);
        assert_eq!(code, 3, "{stderr}");
        assert!(stderr.contains("neither in hand nor next"), "{stderr}");
    }
    assert_eq!(deliveries(&home), [0, 0], "nothing was handed over");

    for id in [first, second] {
        let (code, stdout, stderr) = home.run(&["--as", "alice", "ack", &id]);
        assert_eq!((code, stdout), (0, format!("{id} done\n")), "{stderr}");
    }
    assert_eq!(deliveries(&home), [0; 0]);
}
