//! The message verbs, run as a user runs them, against a scripted sidecar.

use std::io::{Read, Write};
use std::process::Stdio;

use crate::fake::{Fake, Ran};
use serde_json::{Value, json};

const ID: &str = "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c3d";
const OTHER: &str = "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c3e";

fn sent(level: &str, duplicate: bool) -> Value {
    json!({ "id": ID, "conversation_id": ID, "level": level, "stream_seq": 1, "duplicate": duplicate })
}

fn message(id: &str, content: &str) -> Value {
    json!({ "id": id, "from_agent": "bob", "to_agent": "operator", "content": content, "priority": "high", "message_type": "task",
            "timestamp": "2026-01-02T03:04:05.000Z", "acknowledged": false, "conversation_id": id, "metadata": {}, "later": 1 })
}

fn item(id: &str, content: &str) -> Value {
    json!({ "message": message(id, content), "lease": "L1", "lease_expires_at": "2026-01-02T03:05:05.000Z", "delivery": 1, "redelivered": false })
}

fn peek(in_hand: Value, normal: u64) -> Value {
    json!({ "in_hand": in_hand, "pending": { "urgent": 0, "high": 0, "normal": normal, "low": 0 } })
}

fn refusal(code: &str, details: Value) -> Value {
    json!({ "error": { "code": code, "message": "so it is", "details": details } })
}

#[test]
fn send_prints_id_and_level_and_chooses_safe_defaults() {
    let fake = Fake::start("operator", vec![(201, sent("stored", false))]);
    let ran = fake.run(&["send", "alice", "hi"]);
    assert_eq!(
        (ran.code, ran.stdout.as_str(), ran.stderr.as_str()),
        (0, &*format!("{ID} stored\n"), "")
    );
    let (line, body) = &fake.asked()[0];
    assert_eq!(line, "POST /v1/messages?wait=stored&timeout=5");
    assert!(
        body["id"].as_str().unwrap().parse::<uuid::Uuid>().is_ok(),
        "a repeat must not double: {body}"
    );
    assert_eq!(
        (&body["to_agent"], &body["content"], &body["priority"]),
        (&json!("alice"), &json!("hi"), &json!("normal"))
    );
}

#[test]
fn send_passes_every_option_on_and_json_is_the_answer_itself() {
    let answer = json!({ "id": ID, "conversation_id": OTHER, "level": "done", "duplicate": true, "warning": "recipient_unverified", "new": 1 });
    let fake = Fake::start("dave", vec![(201, answer.clone())]);
    let mut command = fake.command(&[
        "--json",
        "send",
        "room:design",
        "-",
        "-p",
        "urgent",
        "-t",
        "question",
        "--conversation",
        OTHER,
        "--wait",
        "done",
        "--timeout",
        "250ms",
        "--id",
        ID,
        "--park",
    ]);
    let mut child = command
        .env("WAGGLEBUS_AGENT", "dave")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"two\nlines\n").unwrap();
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!(serde_json::from_str::<Value>(&ran.stdout).unwrap(), answer);
    assert!(
        ran.stderr.contains("recipient_unverified") && ran.stderr.contains("sent before"),
        "{ran:?}"
    );
    let (line, body) = &fake.asked()[0];
    assert_eq!(line, "POST /v1/messages?wait=done&timeout=0.25&park=true");
    let expected = json!({ "to_agent": "room:design", "content": "two\nlines\n", "priority": "urgent", "message_type": "question",
                           "conversation_id": OTHER, "id": ID });
    assert_eq!(*body, expected);
}

#[test]
fn refusals_have_the_documented_exit_codes_and_say_what_to_do() {
    for (status, code, details, exit, part) in [
        (
            404,
            "unknown_agent",
            json!({ "similar": ["alina"] }),
            3,
            "did you mean alina?",
        ),
        (
            504,
            "level_not_reached",
            json!({ "level": "stored" }),
            4,
            "do not resend",
        ),
        (503, "bus_unreachable", json!({}), 5, "error: so it is"),
        (
            422,
            "level_not_provable",
            json!({ "highest": "injected" }),
            6,
            "error: so it is",
        ),
    ] {
        let fake = Fake::start(
            "operator",
            vec![
                (status, refusal(code, details.clone())),
                (status, refusal(code, details)),
            ],
        );
        let ran = fake.run(&["send", "alice", "hi"]);
        assert_eq!((ran.code, ran.stdout.as_str()), (exit, ""), "{ran:?}");
        assert!(ran.stderr.contains(part), "{ran:?}");
        let ran = fake.run(&["send", "alice", "hi", "--json"]);
        let error: Value = serde_json::from_str(&ran.stderr).unwrap();
        assert_eq!((ran.code, &error["error"]["code"]), (exit, &json!(code)));
    }
}

#[test]
fn bad_input_never_reaches_the_sidecar() {
    let fake = Fake::start("operator", vec![]);
    let long = "a".repeat(64);
    for (args, exit, part) in [
        (vec!["send", "a.b", "x"], 6, "is no agent id"),
        (vec!["send", "*", "x"], 6, "is no agent id"),
        (vec!["send", &long, "x"], 6, "1 to 63"),
        (vec!["send", "alice", "x", "--id", "7"], 6, "is no id"),
        (vec!["trace", "nope"], 6, "is no id"),
        (vec!["send", "alice", "x", "-p", "urgnt"], 2, "urgent"),
        (vec!["send", "alice", "x", "--timeout", "soon"], 2, "--timeout"),
        (vec!["send"], 2, "<TO>"),
        (vec!["inbox", "--take", "33"], 2, "1..=32"),
        (vec!["--as", "A", "inbox"], 2, "agent id"),
        (vec!["nosuchverb"], 2, "unrecognized"),
        (vec!["inbox", "--as", "nobody"], 5, "--agent nobody"),
    ] {
        let ran = fake.run(&args);
        assert_eq!(ran.code, exit, "{args:?} {ran:?}");
        assert!(
            ran.stdout.is_empty() && ran.stderr.contains(part),
            "{args:?} {ran:?}"
        );
        let json = fake.run(&[&["--json"], args.as_slice()].concat());
        let error: Value = serde_json::from_str(&json.stderr).unwrap();
        assert_eq!(json.code, exit);
        assert!(
            error["error"]["code"].is_string() && error["error"]["message"].is_string(),
            "{error}"
        );
    }
    assert_eq!(fake.asked(), []);
}

#[test]
fn inbox_peeks_unless_told_to_take() {
    let fake = Fake::start(
        "operator",
        vec![
            (200, peek(json!([item(ID, "a\u{1b}[2J\nb")]), 2)),
            (200, peek(json!([]), 0)),
        ],
    );
    let ran = fake.run(&["inbox"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.stdout.contains(ID) && ran.stdout.contains("waiting: 0 urgent, 0 high, 2 normal, 0 low"),
        "{ran:?}"
    );
    assert!(
        !ran.stdout.contains('\u{1b}'),
        "content must not reach the terminal raw: {ran:?}"
    );
    let ran = fake.run(&["inbox", "--json"]);
    assert_eq!(
        serde_json::from_str::<Value>(&ran.stdout).unwrap()["messages"],
        json!([])
    );
    assert!(fake.asked().iter().all(|(line, _)| line == "GET /v1/inbox/peek"));
}

#[test]
fn take_hands_over_whole_messages_with_their_leases() {
    let fake = Fake::start(
        "operator",
        vec![
            (200, json!({ "messages": [item(ID, "line 1\nline 2")] })),
            (200, json!({ "messages": [item(ID, "x")] })),
        ],
    );
    let ran = fake.run(&["inbox", "--take", "2", "--lease", "2m", "--timeout", "3s"]);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines[0], format!("{ID} from bob !high #task"));
    assert!(lines[1].contains("lease L1 until"), "{ran:?}");
    assert_eq!(lines[2..4], ["| line 1", "| line 2"]);
    let ran = fake.run(&["inbox", "--take", "1", "--json"]);
    let answer: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(
        answer["messages"][0]["message"]["later"], 1,
        "unknown fields survive: {answer}"
    );
    let asked = fake.asked();
    assert!(
        asked[0].0.starts_with("GET /v1/inbox?max=2&timeout=") && asked[0].0.ends_with("&lease=120"),
        "{asked:?}"
    );
    assert_eq!(asked[1].0, "GET /v1/inbox?max=1&timeout=0&lease=60");
}

#[test]
fn ack_and_nak_find_the_lease_themselves() {
    let fake = Fake::start(
        "operator",
        vec![
            (200, json!({ "id": ID, "level": "seen" })),
            (200, peek(json!([item(ID, "x")]), 0)),
            (200, json!({ "id": ID, "level": "done" })),
            (200, peek(json!([item(ID, "x")]), 0)),
            (200, json!({ "id": ID })),
        ],
    );
    assert_eq!(
        fake.run(&["ack", ID, "--lease", "mine", "--not-done"]).stdout,
        format!("{ID} seen\n")
    );
    assert_eq!(fake.run(&["ack", ID]).stdout, format!("{ID} done\n"));
    assert_eq!(
        fake.run(&["nak", ID, "--delay", "2s", "--reason", "later"])
            .stdout,
        format!("{ID}\n")
    );
    let posts: Vec<_> = fake
        .asked()
        .into_iter()
        .filter(|(line, _)| line.starts_with("POST"))
        .map(|(_, body)| body)
        .collect();
    assert_eq!(
        posts,
        [
            json!({ "lease": "mine", "done": false }),
            json!({ "lease": "L1", "done": true }),
            json!({ "lease": "L1", "delay_ms": 2000, "reason": "later" }),
        ]
    );
}

#[test]
fn nothing_is_taken_to_get_at_a_message_that_is_not_in_hand() {
    let unknown = json!({ "error": { "code": "not_found", "message": "no message" } });
    let answers = vec![(200, peek(json!([item(OTHER, "x")]), 3)), (404, unknown)];
    let fake = Fake::start("operator", answers);
    let ran = fake.run(&["ack", ID]);
    assert!(
        ran.code == 1 && ran.stderr.contains("wagglebus inbox --take 1"),
        "{ran:?}"
    );
    assert!(fake.asked().iter().all(|(line, _)| line.starts_with("GET")));
}

#[test]
fn what_is_done_is_done_once_more_and_cannot_be_given_back() {
    let ended = json!({
        "message": { "id": ID, "from_agent": "alice", "to_agent": "operator", "content": "x",
                     "timestamp": "2026-01-02T03:04:05.000Z" },
        "receipts": [], "level": "done", "explanation": "done",
        "steps": [{ "step": "done", "at": "2026-01-02T03:04:06.000Z" }],
    });
    let look = || vec![(200, peek(json!([]), 0)), (200, ended.clone())];
    let answer = (200, json!({ "id": ID, "level": "done" }));
    let fake = Fake::start("operator", [look(), vec![answer], look()].concat());
    let ran = fake.run(&["ack", ID]);
    assert_eq!(
        (ran.code, ran.stdout),
        (0, format!("{ID} done\n")),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("was done already"), "{}", ran.stderr);
    let ran = fake.run(&["nak", ID]);
    assert!(ran.code == 3 && ran.stderr.contains("has ended"), "{ran:?}");
    let posts = fake.asked();
    let posts = posts.iter().filter(|(line, _)| line.starts_with("POST"));
    let posts: Vec<_> = posts.map(|(_, body)| body.clone()).collect();
    assert_eq!(posts, [json!({ "from_agent": "alice" })]);
}

#[test]
fn agents_reads_every_page() {
    let agent = |name: &str| {
        json!({ "agent": name, "presence": "alive", "state": "idle", "fsm": null, "bridges": [{ "name": "http", "proves": "done" }],
                "capabilities": [{ "name": "rust", "proficiency": 7 }], "rooms": [], "epoch": 1, "version": "0.1.0", "ephemeral": false,
                "enrolled_at": "2026-01-02T03:04:05.000Z", "last_seen": null, "stale": true })
    };
    let pages = || {
        vec![
            (200, json!({ "items": [agent("alice")], "next_cursor": "a&b" })),
            (200, json!({ "items": [agent("bob")], "next_cursor": null })),
        ]
    };
    let fake = Fake::start("operator", [pages(), pages()].concat());
    let ran = fake.run(&["agents"]);
    let rows: Vec<Vec<&str>> = ran
        .stdout
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        rows[1],
        ["alice", "alive", "idle", "http≤done", "rust:7", "-", "0.1.0"]
    );
    assert_eq!(rows.len(), 3);
    assert!(ran.stderr.contains("cache"), "{ran:?}");
    let ran = fake.run(&["agents", "--json"]);
    assert_eq!(
        serde_json::from_str::<Value>(&ran.stdout).unwrap()["items"][1]["agent"],
        "bob"
    );
    assert_eq!(fake.asked()[1].0, "GET /v1/agents?limit=500&cursor=a%26b");
}

#[test]
fn a_reader_who_has_enough_is_no_failure() {
    let many: Vec<Value> = (0..5_000).map(|_| item(ID, &"x".repeat(100))).collect();
    let fake = Fake::start("operator", vec![(200, json!({ "messages": many }))]);
    let mut child = fake
        .command(&["inbox", "--take", "1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdout.take().unwrap().read_exact(&mut [0; 10]).unwrap();
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
}

#[test]
fn help_and_version_work_without_a_home() {
    for (args, part) in [(["--help"], "trace"), (["--version"], "wagglebus")] {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_wagglebus"))
            .args(args)
            .env_clear()
            .output()
            .unwrap();
        let ran = Ran::from(output);
        assert!(ran.code == 0 && ran.stdout.contains(part), "{ran:?}");
    }
}
