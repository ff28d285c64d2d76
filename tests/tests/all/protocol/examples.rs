//! The examples as their READMEs tell to run them.

use std::path::PathBuf;
use std::process::{Output, Stdio};

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use wagglebus_harness::fleet::{Fleet, Options};

use crate::program::{Program, WITHIN, repository};

const BASH: &str = "examples/01-bash-stdio/agent.sh";
const HTTP: &str = "examples/02-python-http/agent.py";

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
