//! Settling without a lease: the next message is taken, no other one ever; what waits behind it is settled where it lies.

use serde_json::Value;

use super::{Home, until};

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

    for verb in [&["ack", "--not-done"][..], &["nak"]] {
        let (code, _, stderr) = home.run(&[&["--as", "alice"], verb, &[&second]].concat());
        assert_eq!(code, 3, "{stderr}");
        assert!(stderr.contains("neither in hand nor next"), "{stderr}");
    }
    assert_eq!(deliveries(&home), [0, 0], "nothing was handed over");

    for (id, left) in [(second, &[0][..]), (first, &[])] {
        let (code, stdout, stderr) = home.run(&["--as", "alice", "ack", &id]);
        assert_eq!((code, stdout), (0, format!("{id} done\n")), "{stderr}");
        assert_eq!(
            deliveries(&home),
            left,
            "only it was settled, and no other handed over"
        );
    }
    assert_eq!(deliveries(&home), [0; 0]);
}

/// What was put off lies below what has ended since: it alone comes again.
#[test]
fn finished_messages_are_not_unread_while_an_older_one_is_put_off() {
    let (mut home, _) = Home::up();
    home.sidecars(&["alice"]);
    let ids = ["put off", "one", "two", "next", "last"].map(|text| {
        let sent = home.json(&["send", "alice", text]);
        sent["id"].as_str().unwrap().to_owned()
    });
    let run = |arguments: &[&str]| home.run(&[&["--as", "alice"], arguments].concat());
    let [put_off, one, two, next, last] = &ids;
    let (code, _, stderr) = run(&["nak", put_off, "--delay", "1h"]);
    assert_eq!(code, 0, "{stderr}");
    for id in [one, two] {
        let (code, stdout, stderr) = run(&["ack", id]);
        assert_eq!((code, stdout), (0, format!("{id} done\n")), "{stderr}");
    }

    let listed = || {
        let inbox = home.json(&["--as", "alice", "inbox"]);
        let messages = inbox["messages"].as_array().unwrap().iter();
        let messages = messages.map(|item| {
            let id = item["message"]["id"].as_str().unwrap().to_owned();
            (id, item["redelivered"] == true, item["delivery"].as_u64())
        });
        (messages.collect::<Vec<_>>(), inbox["more_again"].clone())
    };
    let again = (put_off.clone(), true, None);
    let unread = [next, last].map(|id| (id.clone(), false, Some(0)));
    let expected = (
        [std::slice::from_ref(&again), &unread].concat(),
        Value::from(0_u64),
    );
    assert_eq!(listed(), expected);
    let (_, stdout, stderr) = run(&["inbox"]);
    assert!(stdout.contains("again"), "{stdout}{stderr}");

    for id in [put_off, one, last] {
        let (code, _, stderr) = run(&["nak", id]);
        assert_eq!(code, 3, "{stderr}");
    }
    assert_eq!(run(&["ack", one]).0, 0, "it is settled already");
    assert_eq!(listed(), expected, "nothing was handed over");
    for id in [next, last] {
        let (code, stdout, stderr) = run(&["ack", id]);
        assert_eq!((code, stdout), (0, format!("{id} done\n")), "{stderr}");
    }
    assert_eq!(listed().0, [again]);
    let (code, _, stderr) = run(&["nak", put_off]);
    assert_eq!(code, 3, "it is put off still: {stderr}");
    let (code, stdout, stderr) = run(&["ack", put_off]);
    assert_eq!((code, stdout), (0, format!("{put_off} done\n")), "{stderr}");
    assert_eq!(listed().0, []);
}

#[test]
fn what_was_given_back_can_be_settled_when_it_comes_again() {
    let (mut home, _) = Home::up();
    home.sidecars(&["alice"]);
    let sent = home.json(&["send", "alice", "later"]);
    let id = sent["id"].as_str().unwrap();
    let (code, _, stderr) = home.run(&["--as", "alice", "nak", id, "--delay", "50ms"]);
    assert_eq!(code, 0, "{stderr}");
    until(|| home.run(&["--as", "alice", "ack", id]).0 == 0);
    assert_eq!(deliveries(&home), [0; 0]);
}

/// What is done stays done, however often that is said, and the trace shows each step of the way.
#[test]
fn a_message_that_is_done_is_done_again_and_its_trace_shows_what_was_given_back() {
    let (mut home, _) = Home::up();
    home.sidecars(&["worker"]);
    let id = home.json(&["send", "worker", "please"])["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let worker = |arguments: &[&str]| home.run(&[&["--as", "worker"], arguments].concat());
    let (code, _, stderr) = worker(&["nak", &id, "--reason", "not now", "--delay", "0s"]);
    assert_eq!(code, 0, "{stderr}");
    let (code, stdout, stderr) = worker(&["ack", &id]);
    assert_eq!((code, stdout), (0, format!("{id} done\n")), "{stderr}");
    let (code, stdout, stderr) = worker(&["ack", &id]);
    assert_eq!((code, stdout), (0, format!("{id} done\n")), "{stderr}");
    assert!(stderr.contains("was done already"), "{stderr}");
    assert_eq!(home.json(&["--as", "worker", "ack", &id])["level"], "done");
    let (code, _, stderr) = worker(&["nak", &id]);
    assert!(code == 3 && stderr.contains("has ended"), "{stderr}");

    let own = worker(&["trace", &id]).1;
    let row = |text: &str, level: &str| {
        let line = text.lines().find(|line| line.starts_with(level));
        let line = line.unwrap_or_else(|| panic!("no {level}: {text}"));
        line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(
        row(&own, "given_back").ends_with(&["not".into(), "now".into()]),
        "{own}"
    );
    assert!(row(&own, "done").contains(&"worker".into()), "{own}");
    until(|| home.json(&["trace", &id])["level"] == "done");
    let (_, sent, _) = home.run(&["trace", &id]);
    assert!(row(&sent, "stored")[1].ends_with('Z'), "{sent}");
    assert!(
        row(&sent, "given_back").ends_with(&["not".into(), "now".into()]),
        "{sent}"
    );
}
