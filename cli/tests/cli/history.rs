//! `history` without a bus: out of the spool of a scripted sidecar.

use serde_json::{Value, json};

use crate::fake::Fake;

const FIRST: &str = "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c31";
const SECOND: &str = "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c32";
const THIRD: &str = "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c33";
const OTHER: &str = "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c34";

fn message(id: &str, from: &str, to: &str, second: u32, content: &str) -> Value {
    json!({ "id": id, "from_agent": from, "to_agent": to, "content": content, "priority": "high", "message_type": "task",
            "timestamp": format!("2026-01-02T03:04:{second:02}.000Z"), "acknowledged": id == FIRST, "conversation_id": id,
            "metadata": {}, "later": 1 })
}

fn page(items: Value, next: Option<&str>) -> (u16, Value) {
    (200, json!({ "items": items, "next_cursor": next }))
}

/// Three messages on two pages, the newest first.
fn script() -> Vec<(u16, Value)> {
    vec![
        page(
            json!([
                message(THIRD, "operator", "bob", 9, "mend it"),
                message(SECOND, "bob", "operator", 5, "the build\u{1b}[2J is red"),
            ]),
            Some("c1"),
        ),
        page(json!([message(FIRST, "operator", "carol", 1, "hello")]), None),
    ]
}

#[test]
fn a_spool_is_read_where_no_bus_is() {
    let fake = Fake::start("operator", script());
    let ran = fake.run(&["history"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(
        ran.stdout,
        format!(
            "2026-01-02T03:04:01.000Z operator → carol !high #task {FIRST} ✓: hello\n\
             2026-01-02T03:04:05.000Z bob → operator !high #task {SECOND}: the build\u{fffd}[2J is red\n\
             2026-01-02T03:04:09.000Z operator → bob !high #task {THIRD}: mend it\n"
        )
    );
    assert!(
        ran.stderr.contains("3 messages from the sidecar's own spool")
            && ran.stderr.contains("cannot be read"),
        "{ran:?}"
    );
    let asked: Vec<String> = fake.asked().into_iter().map(|(line, _)| line).collect();
    assert_eq!(
        asked,
        [
            "GET /v1/messages?limit=51&order=desc",
            "GET /v1/messages?limit=51&order=desc&cursor=c1"
        ]
    );
}

#[test]
fn json_is_one_message_a_line_and_options_narrow_it() {
    for (options, expected) in [
        (&["--with", "bob"][..], &[SECOND, THIRD][..]),
        (&["--with", "bob", "--from", "bob"], &[SECOND]),
        (&["--grep", "BUILD"], &[SECOND]),
        (
            &[
                "--since",
                "2026-01-02T03:04:05Z",
                "--until",
                "2026-01-02T03:04:06Z",
            ],
            &[SECOND],
        ),
        (&["-p", "low"], &[]),
        (&["-t", "task", "--conversation", FIRST], &[FIRST]),
    ] {
        let fake = Fake::start("operator", script());
        let ran = fake.run(&[&["history", "--json", "--own"], options].concat());
        let lines: Vec<Value> = ran
            .stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let ids: Vec<&str> = lines.iter().map(|line| line["id"].as_str().unwrap()).collect();
        assert_eq!((ran.code, ids.as_slice()), (0, expected), "{options:?} {ran:?}");
        assert!(
            lines.iter().all(|line| line["later"] == 1),
            "unknown fields survive: {ran:?}"
        );
    }
    for (options, asked) in [
        (&["--with", "bob"][..], "limit=2&with=bob&order=desc"),
        (&["--with", "bob", "-t", "task"], "limit=500&with=bob&order=desc"),
        (&[], "limit=2&order=desc"),
    ] {
        let fake = Fake::start("operator", script());
        let ran = fake.run(&[&["history", "--limit", "1"], options].concat());
        assert!(
            ran.stdout.contains(THIRD) && ran.stderr.contains("there may be older ones"),
            "{ran:?}"
        );
        assert_eq!(ran.stdout.lines().count(), 1);
        // The newest are enough: no other page is asked for.
        let lines: Vec<String> = fake.asked().into_iter().map(|(line, _)| line).collect();
        assert_eq!(lines, [format!("GET /v1/messages?{asked}")]);
    }
}

#[test]
fn what_cannot_be_answered_is_refused() {
    let fake = Fake::start("operator", vec![]);
    for (args, exit, part) in [
        (&["history", "--with", "capability:rust"][..], 6, "name the agent"),
        (&["history", "--with", "a.b"], 6, "is no agent id"),
        (&["history", "--since", "yesterday"], 2, "such as 2h"),
        (&["history", "--limit", "0"], 2, "1..=10000"),
        (&["history", "--everybody"], 6, "--server URL"),
        (&["history", "--server", "nats://127.0.0.1:1"], 5, "127.0.0.1:1"),
        (&["history", "--as", "nobody"], 5, "--agent nobody"),
    ] {
        let ran = fake.run(args);
        assert_eq!((ran.code, ran.stdout.as_str()), (exit, ""), "{args:?} {ran:?}");
        assert!(ran.stderr.contains(part), "{args:?} {ran:?}");
    }
    assert_eq!(fake.asked(), []);
}

/// Where no bus can be read, a response is seen once the sidecar has handed it over. It is not settled: it was taken.
#[test]
fn ask_finds_the_response_in_the_spool() {
    let fake = Fake::start(
        "operator",
        vec![
            (
                202,
                json!({ "id": FIRST, "conversation_id": FIRST, "level": "accepted", "duplicate": false }),
            ),
            page(
                json!([
                    answer(OTHER, "response", FIRST, "a second one"),
                    answer(THIRD, "response", FIRST, "green\u{1b}[2J\n"),
                    answer(SECOND, "response", THIRD, "not it"),
                    answer(SECOND, "status", FIRST, "nor this"),
                    message(FIRST, "operator", "bob", 1, "which colour?"),
                    answer(SECOND, "response", FIRST, "older than the question"),
                ]),
                Some("c1"),
            ),
        ],
    );
    let ran = fake.run(&["ask", "bob", "which colour?", "--id", FIRST, "-p", "high"]);
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (0, "green\u{1b}[2J\n"),
        "as it is, for a program: {ran:?}"
    );
    assert!(
        ran.stderr.contains("only once it was taken from the inbox"),
        "{ran:?}"
    );
    let asked = fake.asked();
    let (line, body) = &asked[0];
    assert_eq!(line, "POST /v1/messages");
    // One page: it goes back to the question.
    assert_eq!(
        (asked.len(), asked[1].0.as_str()),
        (2, "GET /v1/messages?limit=500&with=bob&order=desc")
    );
    let expected = json!({ "to_agent": "bob", "content": "which colour?", "priority": "high", "message_type": "question", "id": FIRST });
    assert_eq!(*body, expected);
}

fn answer(id: &str, message_type: &str, in_reply_to: &str, content: &str) -> Value {
    let mut answer = message(id, "bob", "operator", 9, content);
    answer["message_type"] = message_type.into();
    answer["metadata"] = json!({ "in_reply_to": in_reply_to });
    answer
}

/// A question that is dead gets no response, and nobody waits for it.
#[test]
fn ask_ends_when_its_question_is_dead() {
    let receipt = json!({ "id": SECOND, "message_id": FIRST, "sender": "operator", "agent": "bob", "level": "dead",
        "levels": [{ "level": "dead", "at": "2026-01-02T03:04:05.000Z" }], "bridge": null, "proof": "none", "delivery": 5,
        "epoch": 1, "at": "2026-01-02T03:04:05.000Z", "reason": "max_deliver" });
    let trace = json!({ "message": message(FIRST, "operator", "bob", 5, "x"), "receipts": [receipt], "level": "injected",
        "explanation": "dead" });
    let fake = Fake::start(
        "operator",
        vec![
            (
                202,
                json!({ "id": FIRST, "conversation_id": FIRST, "level": "accepted", "duplicate": false }),
            ),
            page(json!([]), None),
            (200, trace),
        ],
    );
    let ran = fake.run(&["ask", "bob", "x", "--id", FIRST]);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");
    assert!(
        ran.stderr.contains("max_deliver") && ran.stderr.contains("dlq retry"),
        "{ran:?}"
    );
}

/// The reply is accepted: what it answers is settled, and a repeat must not be a second reply.
#[test]
fn a_reply_whose_level_is_not_reached_settles_all_the_same() {
    let refused = json!({ "error": { "code": "level_not_reached", "message": "stored was not reached within 5 s",
        "details": { "level": "accepted", "id": SECOND } } });
    let ack = (200, json!({ "id": FIRST, "level": "done" }));
    let peek = json!({ "in_hand": [], "pending": { "urgent": 0, "high": 0, "normal": 0, "low": 0 } });
    let question = (200, message(FIRST, "bob", "operator", 5, "is it green?"));
    let lost = json!({ "error": { "code": "lease_lost", "message": "it is in other hands" } });
    for (settled, said) in [
        (ack, format!("{FIRST} is done")),
        ((409, lost), "the ack failed: it is in other hands".to_owned()),
    ] {
        let script = vec![
            question.clone(),
            (504, refused.clone()),
            (200, peek.clone()),
            settled,
        ];
        let fake = Fake::start("operator", script);
        let ran = fake.run(&["reply", FIRST, "yes", "--ack", "--id", SECOND]);
        assert_eq!((ran.code, ran.stdout.as_str()), (4, ""), "{ran:?}");
        let repeat = format!("--id {SECOND}");
        for part in [
            said.as_str(),
            "do not reply again",
            repeat.as_str(),
            "stored was not reached",
        ] {
            assert!(ran.stderr.contains(part), "{part}: {ran:?}");
        }
        let asked: Vec<String> = fake.asked().into_iter().map(|(line, _)| line).collect();
        assert_eq!(asked[3], format!("POST /v1/inbox/{FIRST}/read"));
    }
}

#[test]
fn questions_and_replies_that_are_none_never_reach_the_sidecar() {
    let fake = Fake::start("operator", vec![]);
    for (args, exit, part) in [
        (&["ask", "a.b", "x"][..], 6, "is no agent id"),
        (&["ask", "bob", "x", "--id", "7"], 6, "is no id"),
        (&["ask", "bob", "x", "--timeout", "soon"], 2, "--timeout"),
        (
            &["ask", "bob", "x", "--server", "nats://127.0.0.1:1"],
            5,
            "127.0.0.1:1",
        ),
        (&["reply", "nope", "x"], 6, "is no id"),
        (&["reply", FIRST, "x", "--lease", "L"], 2, "--ack"),
        (&["reply", FIRST, "x", "--as", "nobody"], 5, "--agent nobody"),
    ] {
        let ran = fake.run(args);
        assert_eq!((ran.code, ran.stdout.as_str()), (exit, ""), "{args:?} {ran:?}");
        assert!(ran.stderr.contains(part), "{args:?} {ran:?}");
    }
    assert_eq!(fake.asked(), []);
}
