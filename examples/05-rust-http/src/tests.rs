//! A sidecar that loses answers and has no time: what was settled is worked on, and what was worked on is told.
#![allow(clippy::unwrap_used, clippy::panic)]

use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixListener;
use tokio::sync::mpsc;

use super::*;

const ID: &str = "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c31";

/// Answers each request with the next status; 0 hangs up without a word. Tells the paths.
fn scripted(listener: UnixListener, script: Vec<u16>) -> mpsc::UnboundedReceiver<String> {
    let (tell, told) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut script = script.into_iter();
        while let Ok((stream, _)) = listener.accept().await {
            let mut stream = BufReader::new(stream);
            loop {
                let mut first = String::new();
                if stream.read_line(&mut first).await.unwrap() == 0 {
                    break;
                }
                let mut length = 0;
                loop {
                    let mut line = String::new();
                    stream.read_line(&mut line).await.unwrap();
                    if line.trim().is_empty() {
                        break;
                    }
                    if let Some(given) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                        length = given.trim().parse().unwrap();
                    }
                }
                let mut body = vec![0; length];
                stream.read_exact(&mut body).await.unwrap();
                let path = first.split(' ').nth(1).unwrap().to_owned();
                let verb = path.rsplit('/').next().unwrap().to_owned();
                tell.send(verb.clone()).unwrap();
                let status = script.next().unwrap();
                let answer = match status {
                    0 => break,
                    429 => json!({ "error": { "code": "rate_limited", "message": "slowly" } }),
                    _ if verb == "ack" => json!({ "id": ID, "level": "done" }),
                    _ => json!({ "id": ID, "level": "accepted" }),
                };
                let answer = answer.to_string();
                let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n", answer.len());
                stream.write_all((head + &answer).as_bytes()).await.unwrap();
            }
        }
    });
    told
}

fn assignment() -> InboxItem {
    let task = json!({ "id": ID, "title": "add", "capabilities": [], "input": { "numbers": [1, 2] }, "priority": "normal",
        "state": "assigned", "submitted_by": "operator", "assigned_to": "bob", "epoch": 1, "attempt": 1, "max_attempts": 3,
        "deadline": null, "depends_on": [], "resources": {}, "strategy": null, "accept_timeout_ms": 60000,
        "stall_ms": 900_000, "metadata": {}, "progress": 0.0, "result": null, "error": null,
        "created_at": "2026-01-02T03:04:05.000Z", "updated_at": "2026-01-02T03:04:05.000Z" });
    let message = json!({ "id": ID, "from_agent": "coordinator", "to_agent": "bob", "content": "add", "priority": "normal",
        "message_type": "task", "conversation_id": ID, "timestamp": "2026-01-02T03:04:05.000Z", "acknowledged": false,
        "metadata": { "kind": "task.assigned", "task_id": ID, "epoch": 1, "task": task } });
    let item = json!({ "message": message, "lease": "l", "lease_expires_at": "2026-01-02T03:04:05.000Z", "delivery": 1,
        "redelivered": false });
    serde_json::from_value(item).unwrap()
}

#[tokio::test]
async fn a_task_whose_settling_got_no_answer_is_worked_on_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    let mut told = scripted(listener, vec![0, 200, 429, 0, 202]);
    let sidecar = Client::new(Endpoint::Unix(path));
    handed(&sidecar, assignment()).await;
    let mut verbs = Vec::new();
    while let Ok(verb) = told.try_recv() {
        verbs.push(verb);
    }
    assert_eq!(verbs, ["ack", "ack", "complete", "complete", "complete"]);
}
