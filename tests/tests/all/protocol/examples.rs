//! The examples as their READMEs tell to run them.

use std::path::PathBuf;
use std::process::{Output, Stdio};

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use wagglebus_harness::fleet::{Fleet, Options, program};
use wagglebus_schemas::Command as TaskCommand;
use wagglebus_schemas::command::TaskVerb;
use wagglebus_schemas::task::TaskState;
use wagglebus_schemas::task_api::TaskAnswer;

use crate::program::{Program, WITHIN, repository};

const BASH: &str = "examples/01-bash-stdio/agent.sh";
const HTTP: &str = "examples/02-python-http/agent.py";
const WORKER: &str = "examples/02-python-http/worker.py";

async fn fleet() -> (Fleet, PathBuf) {
    let mut fleet = Fleet::open().await.unwrap();
    fleet.enrol(&["asker", "bash"]).await.unwrap();
    fleet.start_coordinator().await.unwrap();
    fleet.start("asker", &Options::http()).await.unwrap();
    let socket = fleet.bus().places().socket(&"asker".parse().unwrap());
    (fleet, socket)
}

#[tokio::test]
async fn every_priority_and_type_is_proven_and_answered() {
    let (mut fleet, socket) = fleet().await;
    let script = repository(BASH);
    let options = Options::stdio(&[], &[script.to_str().unwrap()]);
    fleet.start("bash", &options).await.unwrap();
    let asker = Program::start(
        &fleet,
        "asker",
        HTTP,
        &["bash", "--timeout", "60"],
        &[("WAGGLEBUS_SOCKET", &socket)],
    )
    .await;
    let (code, said) = asker.exit_code().await;
    assert_eq!(code, Some(0), "{said}");
    let count = |word: &str| said.lines().filter(|line| line.starts_with(word)).count();
    assert_eq!((count("sent"), count("received")), (16, 8), "{said}");
    assert_eq!(said.matches(": injected").count(), 16, "{said}");
    for name in ["asker", "bash"] {
        fleet.until_settled(name, WITHIN).await.unwrap();
        fleet.sidecar_mut(name).unwrap().stop().await.unwrap();
    }
    assert!(fleet.dead_letters(None).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_is_missing_is_listed() {
    let (fleet, socket) = fleet().await;
    let arguments = ["bash", "--timeout", "1", "--socket", socket.to_str().unwrap()];
    let asker = Program::start(&fleet, "asker", HTTP, &arguments, &[]).await;
    let (code, said) = asker.exit_code().await;
    assert_eq!(code, Some(1), "{said}");
    let missing = |end: &str| {
        said.lines()
            .filter(|line| line.starts_with("missing") && line.contains(end))
            .count()
    };
    assert_eq!(missing("injected was not reached"), 16, "{said}");
    assert_eq!(missing("no answer"), 8, "{said}");
}

#[tokio::test]
async fn the_http_agent_says_how_it_wants_to_be_started() {
    let (fleet, _) = fleet().await;
    let (code, said) = Program::start(&fleet, "asker", HTTP, &["bash"], &[])
        .await
        .exit_code()
        .await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("WAGGLEBUS_SOCKET"), "{said}");
}

/// Feeds lines to the bash agent and closes its input.
async fn feed(lines: &[Value]) -> Output {
    let mut child = Command::new(repository(BASH))
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    for line in lines {
        stdin.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }
    drop(stdin);
    child.wait_with_output().await.unwrap()
}

#[tokio::test]
async fn the_bash_agent_takes_any_text_for_data() {
    let id = "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c3d";
    let message = |kind: &str, content: &str| {
        json!({
            "id": id, "from_agent": "alice", "to_agent": "bash", "content": content, "priority": "low",
            "message_type": kind, "timestamp": "2026-01-02T03:04:05.678Z", "acknowledged": false,
            "conversation_id": id, "metadata": {"message_type": "question"},
        })
    };
    let hostile = "'\"`$(echo taken)` \\ \n; exit 3 # é🐝";
    let long = "🐝".repeat(60_000);
    let output = feed(&[
        message("question", hostile),
        message("status", "needs no answer"),
        json!({"$": "error", "line": 1, "error": {"code": "too_large", "message": "no"}}),
        message("task", &long),
    ])
    .await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let drafts: Vec<Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(drafts.len(), 2, "{drafts:?}");
    assert!(
        drafts[0]["content"].as_str().unwrap().ends_with(hostile),
        "{}",
        drafts[0]
    );
    for draft in &drafts {
        assert_eq!(draft["to_agent"], "alice");
        assert_eq!(draft["message_type"], "response");
        assert_eq!(draft["priority"], "low");
        assert_eq!(draft["conversation_id"], id);
        assert_eq!(draft["metadata"]["in_reply_to"], id);
    }
    assert!(String::from_utf8_lossy(&output.stderr).contains("too_large"));
}

#[tokio::test]
async fn workers_of_both_languages_do_tasks_and_are_refused_when_they_come_too_late() {
    let rust = program::find("wagglebus-example-worker").unwrap();
    for (worker, result) in [(WORKER, json!([1, 2, 3])), (rust.to_str().unwrap(), json!(6.0))] {
        let (mut fleet, _) = fleet().await;
        fleet.enrol(&["worker"]).await.unwrap();
        let can = Options::http().with(&["--capability", "numbers:5"]);
        fleet.start("worker", &can).await.unwrap();
        let socket = fleet.bus().places().socket(&"worker".parse().unwrap());
        let worker = Program::start(&fleet, "worker", worker, &[], &[("WAGGLEBUS_SOCKET", &socket)]).await;
        let asker = fleet.sidecar("asker").unwrap().client();
        let submit = async |title: &str, seconds: u64| {
            let draft = json!({
                "title": title, "capabilities": ["numbers"], "park": true,
                "input": { "numbers": [3, 1, 2], "seconds": seconds },
            });
            let draft = serde_json::from_value(draft).unwrap();
            match asker.submit_task(&draft).await.unwrap().value {
                TaskAnswer::Decided(task) => task.id,
                TaskAnswer::Undecided(answer) => answer.id,
            }
        };
        let task = submit("now", 0).await;
        said(&worker, "done ", 1).await;
        let done = asker.task(task).await.unwrap().value;
        let sum = done.result.get("sum").or(done.result.get("sorted"));
        assert_eq!(
            (done.state, sum),
            (TaskState::Completed, Some(&result)),
            "{}",
            worker.log()
        );

        // Taken away while it works: the answer comes all the same, and does not count.
        let task = submit("late", 2).await;
        said(&worker, "begun ", 2).await;
        let cancel = TaskCommand {
            reason: Some("not wanted".to_owned()),
            ..TaskCommand::default()
        };
        asker.command_task(task, TaskVerb::Cancel, &cancel).await.unwrap();
        said(&worker, "refused ", 1).await;
        worker.kill().await;
    }
}

/// Waits until a program has printed so many lines that begin so.
async fn said(program: &Program, words: &str, count: usize) {
    let lines = || {
        program
            .output()
            .lines()
            .filter(|line| line.starts_with(words))
            .count()
    };
    let deadline = tokio::time::Instant::now() + WITHIN;
    while lines() < count {
        assert!(
            tokio::time::Instant::now() < deadline,
            "{words}: {}{}",
            program.output(),
            program.log()
        );
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}
