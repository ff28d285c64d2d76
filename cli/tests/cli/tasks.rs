//! The verbs of tasks, run as a user runs them, against a scripted sidecar.

use std::io::Write;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::fake::{Fake, Ran};

const ID: &str = "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c3d";

fn task(state: &str) -> Value {
    json!({
        "id": ID, "title": "count the words", "capabilities": ["count"], "input": null, "priority": "high",
        "state": state, "submitted_by": "operator", "assigned_to": "bob", "epoch": 2, "attempt": 1, "max_attempts": 3,
        "deadline": null, "depends_on": [], "resources": {}, "strategy": null, "accept_timeout_ms": 60000,
        "stall_ms": 900000, "metadata": {}, "progress": 0.25, "result": null, "error": null,
        "created_at": "2026-01-02T03:04:05.000Z", "updated_at": "2026-01-02T03:04:06.000Z", "later": 1,
    })
}

fn refusal(code: &str) -> Value {
    json!({ "error": { "code": code, "message": "so it is", "hint": "do this" } })
}

#[test]
fn submit_prints_id_and_state_and_passes_every_option_on() {
    let fake = Fake::start("operator", vec![(201, task("pending"))]);
    let mut command = fake.command(&[
        "task",
        "submit",
        "count the words",
        "--capability",
        "count",
        "--capability",
        "read",
        "--input",
        "-",
        "-p",
        "high",
        "--depends-on",
        ID,
        "--strategy",
        "weighted",
        "--max-attempts",
        "2",
        "--id",
        ID,
        "--park",
        "--deadline",
        "2026-02-03T04:05:06Z",
    ]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"{\"text\":\"a b\"}\n")
        .unwrap();
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!(
        (ran.code, ran.stdout.as_str(), ran.stderr.as_str()),
        (0, &*format!("{ID} pending\n"), "")
    );
    let (line, body) = &fake.asked()[0];
    assert_eq!(line, "POST /v1/tasks");
    for (field, value) in [
        ("id", json!(ID)),
        ("title", json!("count the words")),
        ("capabilities", json!(["count", "read"])),
        ("input", json!({ "text": "a b" })),
        ("priority", json!("high")),
        ("depends_on", json!([ID])),
        ("strategy", json!("weighted")),
        ("max_attempts", json!(2)),
        ("park", json!(true)),
        ("deadline", json!("2026-02-03T04:05:06.000Z")),
    ] {
        assert_eq!(body[field], value, "{field}");
    }
}

#[test]
fn submit_without_a_coordinator_is_kept_and_says_so() {
    let fake = Fake::start("operator", vec![(202, json!({ "id": ID, "level": "stored" }))]);
    let ran = fake.run(&["task", "submit", "count", "--id", ID]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, &*format!("{ID} stored\n")));
    assert!(
        ran.stderr.contains(&format!("wagglebus task show {ID}")),
        "{}",
        ran.stderr
    );
}

#[test]
fn submit_waits_for_a_state_and_tells_an_end_that_is_another() {
    let script = || vec![(201, task("pending")), (200, task("assigned"))];
    let mut done = script();
    done.push((200, task("completed")));
    let fake = Fake::start("operator", done);
    let ran = fake.run(&["task", "submit", "count", "--wait", "completed"]);
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (0, &*format!("{ID} completed\n"))
    );
    let mut failed = script();
    failed.push((200, task("failed")));
    let fake = Fake::start("operator", failed);
    let ran = fake.run(&["task", "submit", "count", "--wait", "completed"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (4, &*format!("{ID} failed\n")));
    let fake = Fake::start("operator", vec![(201, task("pending")), (200, task("pending"))]);
    let ran = fake.run(&["task", "submit", "count", "--wait", "assigned", "--timeout", "0"]);
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    assert!(ran.stderr.contains("do not submit it again"), "{}", ran.stderr);
}

/// Exit 5 says that nothing was accepted: whoever keeps to that submits it again.
#[test]
fn what_was_submitted_is_waited_for_while_nobody_can_tell_of_it() {
    let gone = json!({ "error": { "code": "bus_unreachable", "message": "not connected" } });
    let script = vec![(201, task("pending")), (503, gone), (200, task("completed"))];
    let fake = Fake::start("operator", script);
    let ran = fake.run(&["task", "submit", "count", "--wait", "completed"]);
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (0, &*format!("{ID} completed\n"))
    );
    // Its sidecar ends after the first answer.
    let fake = Fake::start("operator", vec![(201, task("pending"))]);
    let wait = [
        "task",
        "submit",
        "count",
        "--id",
        ID,
        "--wait",
        "completed",
        "--timeout",
        "1",
    ];
    let ran = fake.run(&wait);
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("do not submit it again") && ran.stderr.contains(&format!("task show {ID}")),
        "{}",
        ran.stderr
    );
}

#[test]
fn an_alert_that_was_acknowledged_stays_so_when_nobody_can_tell_of_it() {
    let alert = json!({ "id": ID, "rule": "agent_lost", "severity": "error", "state": "firing", "entity": "agent",
        "entity_id": "bob", "agent": "bob", "since": "2026-02-03T04:05:06.000Z", "fired_at": "2026-02-03T04:05:06.000Z", "updated_at": "2026-02-03T04:05:06.000Z",
        "summary": "bob is lost", "hint": "wagglebus agent show bob", "evidence": {}, "event_id": ID });
    let page = json!({ "items": [alert], "next_cursor": null });
    let sent =
        json!({ "id": ID, "conversation_id": ID, "level": "stored", "stream_seq": 1, "duplicate": false });
    let fake = Fake::start("operator", vec![(200, page), (201, sent)]);
    let ran = fake.run(&["alerts", "ack", ID]);
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (0, &*format!("{ID} firing\n")),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("it is kept"), "{}", ran.stderr);
}

#[test]
fn verbs_carry_what_they_need() {
    let cases: [(&[&str], &str, Value); 10] = [
        (&["accept", ID], "accept", json!({})),
        (
            &["refuse", ID, "busy", "--epoch", "2"],
            "refuse",
            json!({ "reason": "busy", "epoch": 2 }),
        ),
        (
            &["progress", ID, "25%", "--note", "slow"],
            "progress",
            json!({ "progress": 0.25, "note": "slow" }),
        ),
        (&["block", ID, "waits"], "block", json!({ "reason": "waits" })),
        (&["resume", ID], "resume", json!({})),
        (
            &["complete", ID, "{\"words\":7}", "--evidence", "a log"],
            "complete",
            json!({ "result": { "words": 7 }, "evidence": "a log" }),
        ),
        (&["complete", ID], "complete", json!({ "result": null })),
        (
            &["fail", ID, "no", "--retryable"],
            "fail",
            json!({ "error": "no", "retryable": true }),
        ),
        (
            &["cancel", ID],
            "cancel",
            json!({ "reason": "not wanted any more" }),
        ),
        (
            &["assign", ID, "bob", "--force"],
            "assign",
            json!({ "agent": "bob", "force": true }),
        ),
    ];
    for (args, verb, fields) in cases {
        let fake = Fake::start("operator", vec![(200, task("in_progress"))]);
        let ran = fake.run(&[&["task"], args].concat());
        assert_eq!(
            (ran.code, ran.stdout.as_str()),
            (0, &*format!("{ID} in_progress\n")),
            "{}",
            ran.stderr
        );
        let (line, mut body) = fake.asked().remove(0);
        assert_eq!(line, format!("POST /v1/tasks/{ID}/{verb}"));
        let id = body.as_object_mut().unwrap().remove("id");
        assert!(id.is_some_and(|id| id.is_string()), "a repeat must not double");
        assert_eq!(body, fields, "{verb}");
    }
}

#[test]
fn refusals_have_their_exit_codes_and_hints() {
    for (status, code, exit) in [
        (404, "not_found", 3),
        (404, "unknown_capability", 3),
        (409, "stale_epoch", 6),
        (409, "illegal_transition", 6),
        (503, "coordinator_unavailable", 5),
        (507, "spool_full", 6),
    ] {
        let fake = Fake::start("operator", vec![(status, refusal(code))]);
        let ran = fake.run(&["task", "resume", ID]);
        assert_eq!((ran.code, ran.stdout.as_str()), (exit, ""), "{code}");
        assert!(ran.stderr.contains("do this"), "{}", ran.stderr);
    }
    let fake = Fake::start("operator", vec![]);
    for bad in [
        &["task", "show", "7"][..],
        &["task", "submit", ""],
        &["task", "complete", ID, "{open"],
        &["task", "progress", ID, "half"],
        &["task", "submit", "x", "--deadline", "soon"],
        &["task", "assign", ID, "No Name"],
    ] {
        assert_eq!(fake.run(bad).code, 6, "{bad:?}");
    }
    assert_eq!(fake.run(&["task", "submit", "x", "--wait", "done"]).code, 2);
}

#[test]
fn tasks_are_shown_and_listed_in_lines_and_as_json() {
    let fake = Fake::start(
        "operator",
        vec![(200, task("in_progress")), (200, task("in_progress"))],
    );
    let ran = fake.run(&["task", "show", ID]);
    let shown: Vec<&str> = ran.stdout.lines().collect();
    for line in [
        "state         in_progress",
        "progress      25%",
        "assigned to   bob",
        "attempt       1 of 3",
    ] {
        assert!(shown.contains(&line), "{line} is not in {shown:?}");
    }
    let ran = fake.run(&["--json", "task", "show", ID]);
    let shown: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(shown["later"], 1, "unknown fields are shown too");

    let page = |next: Value| json!({ "items": [task("blocked")], "next_cursor": next });
    let script = vec![(200, page(json!(ID))), (200, page(Value::Null))];
    let fake = Fake::start("operator", script);
    let ran = fake.run(&["task", "ls", "--state", "blocked", "--agent", "bob"]);
    assert_eq!(ran.stdout.lines().count(), 3, "{}", ran.stdout);
    let asked: Vec<String> = fake.asked().into_iter().map(|(line, _)| line).collect();
    let first = "GET /v1/tasks?limit=50&state=blocked&agent=bob";
    let second = format!("GET /v1/tasks?limit=49&cursor={ID}&state=blocked&agent=bob");
    assert_eq!(asked, [first.to_owned(), second]);
}

#[test]
fn an_explanation_is_a_table() {
    let explanation = json!({
        "task_id": ID, "strategy": "weighted", "chosen": "bob",
        "candidates": [
            { "agent": "bob", "eligible": true, "score": 0.75, "terms": [{ "name": "load", "value": 0.75 }] },
            { "agent": "carl", "eligible": false, "why_not": "paused", "score": 0.0, "terms": [] },
        ],
    });
    let fake = Fake::start("operator", vec![(200, explanation)]);
    let ran = fake.run(&["task", "explain", ID]);
    let rows: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(rows.len(), 3, "{rows:?}");
    assert!(
        rows[1].contains("yes") && rows[1].contains("load=0.75"),
        "{rows:?}"
    );
    assert!(rows[2].contains("paused"), "{rows:?}");
    assert!(
        ran.stderr.contains("bob was chosen by weighted"),
        "{}",
        ran.stderr
    );
}
