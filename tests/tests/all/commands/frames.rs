//! Task frames of a program on standard input and output.

use std::fs;
use std::time::Duration;

use serde_json::Value;
use wagglebus_harness::fleet::{Fleet, Options};

use super::script::{Script, task_of};
use crate::messages::WITHIN;

/// Submits, claims, says something that is no frame, and keeps what it is told.
const PROGRAM: &str = r#"
printf '{"$":"task","verb":"submit","title":"count"}\n'
printf '{"$":"task","verb":"accept","task_id":"0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c3d"}\n'
printf '{"$":"task","verb":"shout"}\n'
exec cat > "$0"
"#;

async fn frames(path: &std::path::Path, count: usize) -> Vec<Value> {
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    let told = async {
        loop {
            tick.tick().await;
            let text = fs::read_to_string(path).unwrap_or_default();
            let whole = text.lines().filter_map(|line| serde_json::from_str(line).ok());
            let frames: Vec<Value> = whole.collect();
            if frames.len() >= count {
                return frames;
            }
        }
    };
    tokio::time::timeout(WITHIN, told).await.unwrap()
}

#[tokio::test]
async fn a_program_is_told_the_verdicts_by_line() {
    let mut fleet = Fleet::open().await.unwrap();
    fleet.enrol(&["alice"]).await.unwrap();
    let heard = fleet.bus().home().join("heard");
    let program = Options::stdio(&[], &["sh", "-c", PROGRAM, &heard.to_string_lossy()]);
    fleet.start("alice", &program).await.unwrap();
    let refused = frames(&heard, 1).await;
    assert_eq!(
        (&refused[0]["$"], &refused[0]["line"]),
        (&"error".into(), &3.into()),
        "nothing waits for a coordinator that is away: {refused:?}"
    );
    let mut script = Script::open(&fleet).await;
    let (submitted, claimed) = (script.next().await, script.next().await);
    assert_eq!(claimed.subject, "wb.task.accept.normal.alice");
    assert_eq!(claimed.body.get("epoch"), None);
    script.refuse(&claimed, "illegal_transition").await;
    let told = frames(&heard, 2).await;
    assert_eq!(
        (&told[1]["line"], &told[1]["error"]["code"]),
        (&2.into(), &"illegal_transition".into())
    );
    script.done(&submitted, &task_of(&submitted)).await;
    let told = frames(&heard, 3).await;
    assert_eq!((&told[2]["$"], &told[2]["line"]), (&"task".into(), &1.into()));
    assert_eq!(told[2]["task"]["id"], submitted.id.to_string());
    assert_eq!(told[2]["task"]["title"], "count");
}
