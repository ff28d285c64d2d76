//! The verbs that look at a running bus: tail, doctor, provision.

use std::io::{BufRead, BufReader};

use crate::home::{Home, SIDECAR, ready};
use async_nats::HeaderMap;
use serde_json::{Value, json};
use wagglebus_nats::connect::{Connection, Credentials, Session, Settings, connect};

const IDS: [&str; 3] = [
    "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c31",
    "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c32",
    "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c33",
];

async fn admin(bus: &Value) -> (Connection, Session) {
    let mut settings = Settings::new(bus["url"].as_str().unwrap(), "test");
    settings.credentials = Credentials::NkeyFile(bus["credentials_file"].as_str().unwrap().into());
    let (connection, _) = connect(settings).await.unwrap();
    let session = connection.session().unwrap();
    (connection, session)
}

async fn publish(admin: &Session, subject: &str, id: &str, content: &str) {
    let message = json!({ "id": id, "from_agent": "bob", "to_agent": "operator", "content": content,
                          "timestamp": "2026-01-02T03:04:05.000Z", "extra": 1 });
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Msg-Id", id);
    let ack = admin
        .jetstream()
        .publish_with_headers(subject.to_owned(), headers, message.to_string().into())
        .await;
    ack.unwrap().await.unwrap();
}

#[tokio::test]
async fn tail_shows_what_is_there_and_what_comes_and_marks_what_is_refused() {
    let home = Home::new(SIDECAR);
    let mut up = home.command(&["--json", "up", "--relaxed"]).spawn().unwrap();
    let bus = ready(&mut up);
    let (_connection, admin) = admin(&bus).await;
    publish(&admin, "wb.msg.operator.normal.bob", IDS[0], "one").await;
    publish(&admin, "wb.msg.operator.normal.mallory", IDS[1], "forged").await;

    let (code, stdout, stderr) = home.run(&["tail", "--no-follow"]);
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(
        stdout,
        format!(
            "1 2026-01-02T03:04:05.000Z bob → operator !normal #status {}: one\n",
            IDS[0]
        )
    );
    assert!(
        stderr.contains("wb.msg.operator.normal.mallory is refused"),
        "{stderr}"
    );

    let mut tail = home.command(&["tail", "--jsonl", "--last", "1"]).spawn().unwrap();
    publish(&admin, "wb.msg.operator.normal.bob", IDS[2], "two").await;
    let mut line = String::new();
    BufReader::new(tail.stdout.as_mut().unwrap())
        .read_line(&mut line)
        .unwrap();
    let message: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&message["id"], &message["extra"]), (&json!(IDS[2]), &json!(1)));
    tail.kill().unwrap();
    tail.wait().unwrap();
    home.run(&["down"]);
    up.wait().unwrap();
    assert_eq!(home.run(&["tail"]).0, 5);
}

#[test]
fn provision_and_doctor_find_nothing_to_do_on_a_new_bus() {
    let home = Home::new(SIDECAR);
    let (code, stdout, _) = home.run(&["doctor"]);
    assert!(code == 0 && stdout.contains("wagglebus up --detach"), "{stdout}");
    assert_eq!(home.run(&["provision"]).0, 5);

    let (code, _, stderr) = home.run(&["up", "--detach", "--relaxed"]);
    assert_eq!(code, 0, "{stderr}");
    let (code, stdout, _) = home.run(&["--json", "provision", "--plan"]);
    let plan: Value = serde_json::from_str(&stdout).unwrap();
    let steps = plan["steps"].as_array().unwrap();
    assert!(
        code == 0 && steps.len() == 12 && steps.iter().all(|step| step["action"] == "ok"),
        "{plan}"
    );
    let (code, stdout, _) = home.run(&["provision"]);
    assert!(
        code == 0 && stdout.starts_with("ok      stream WB_MESSAGES"),
        "{stdout}"
    );

    // The script in place of the operator's sidecar has no API: exactly that must be found.
    let (code, stdout, stderr) = home.run(&["--json", "doctor"]);
    let report: Value = serde_json::from_str(&stdout).unwrap();
    let findings = report["findings"].as_array().unwrap();
    let of = |state: &str| -> Vec<&str> {
        findings
            .iter()
            .filter(|f| f["state"] == state)
            .map(|f| f["check"].as_str().unwrap())
            .collect()
    };
    assert_eq!(
        (code, of("fail"), of("warn")),
        (
            1,
            vec!["sidecar"],
            vec!["durability", "redundancy", "coordinator", "roster"]
        ),
        "{report}"
    );
    assert!(
        findings
            .iter()
            .all(|f| f["state"] == "ok" || f["fix"].is_string()),
        "{report}"
    );
    assert!(stderr.contains("1 check failed"), "{stderr}");
}
