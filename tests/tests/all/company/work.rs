//! Agents at work on somebody else's NATS.

use serde_json::{Value, json};

use super::world::Company;
use crate::cli::until;

/// Furnished by stock tools where there are any, and plain.
#[tokio::test(flavor = "multi_thread")]
async fn two_agents_work_where_we_may_create_nothing() {
    let company = Company::open("$JS.API").await;
    if company.apply_with_stock_tools().is_none() {
        company.apply_by_hand().await;
    }
    work(company).await;
}

/// The same files through the JetStream API, and the API reached through its domain.
#[tokio::test(flavor = "multi_thread")]
async fn two_agents_work_below_a_domain() {
    let company = Company::open("$JS.hub.API").await;
    company.apply_by_hand().await;
    work(company).await;
}

async fn work(mut company: Company) {
    company.start_coordinator();
    company.start_sidecar("alice");

    // The coordinator tells of mail that nobody fetches.
    let sent = (company.home).json(&[
        "--as", "alice", "send", "bob", "a job", "-p", "high", "-t", "task",
    ]);
    let id = sent["id"].as_str().unwrap();
    until(|| {
        let trace = company.home.json(&["--as", "alice", "trace", id]);
        trace["receipts"]
            .as_array()
            .unwrap()
            .iter()
            .any(|receipt| receipt["reason"] == "no_sidecar")
    });

    // To its last level, and everything between.
    company.start_sidecar_by_file("bob");
    let home = &company.home;
    let json_as = |agent: &str, arguments: &[&str]| home.json(&[&["--as", agent], arguments].concat());
    let taken = json_as("bob", &["inbox", "--take", "1", "--timeout", "10s"]);
    assert_eq!(taken["messages"][0]["message"]["id"], id);
    json_as("bob", &["ack", id]);
    until(|| json_as("alice", &["trace", id])["level"] == "done");

    // The roster, and a room.
    until(|| {
        let agents = json_as("alice", &["agents"]);
        agents["items"]
            .as_array()
            .unwrap()
            .iter()
            .all(|agent| agent["presence"] == "alive")
    });
    json_as("bob", &["room", "join", "design"]);
    let post = json_as("alice", &["send", "room:design", "to all designers"]);
    let taken = json_as("bob", &["inbox", "--take", "1", "--timeout", "20s"]);
    assert_eq!(taken["messages"][0]["message"]["id"], post["id"]);
    json_as("bob", &["ack", post["id"].as_str().unwrap()]);

    // A dead letter.
    let dead = json_as("alice", &["send", "bob", "nobody wants me"]);
    let dead = dead["id"].as_str().unwrap();
    for _ in 0..5 {
        let taken = json_as("bob", &["inbox", "--take", "1", "--timeout", "10s"]);
        let lease = taken["messages"][0]["lease"].as_str().unwrap();
        json_as("bob", &["nak", dead, "--lease", lease, "--delay", "0s"]);
    }
    let inspector = company.named("_inspector");
    let inspector: Vec<&str> = inspector.iter().map(String::as_str).collect();
    let look = |verb: &[&str]| home.json(&[verb, &inspector].concat());
    until(|| look(&["dlq", "ls"])["items"][0]["message_id"] == dead);

    trust(&company, &inspector);
    let theirs: Value = company
        .root
        .request("STREAM.INFO.ORDERS", &json!({}))
        .await
        .unwrap();
    assert_eq!(theirs["state"]["messages"], 1);
    let mut refused = company.violations();
    // By which `status` and `doctor` find out what these credentials may do.
    refused.retain(|line| !line.contains("wb.api.probe.anonymous"));
    assert_eq!(refused, [""; 0], "the lists allow all that the work needs");
}

/// Every program says how far this bus can be trusted.
fn trust(company: &Company, inspector: &[&str]) {
    let home = &company.home;
    for agent in ["alice", "bob"] {
        assert_eq!(home.file(&format!("run/wb/{agent}.json"))["trust"], "shared");
    }
    let status = home.json(&[&["status"], inspector].concat());
    assert_eq!(
        (&status["trust"], &status["sends_as_others"]),
        (&json!("shared"), &json!(false)),
        "{status}"
    );
    assert_eq!(status["streams"].as_array().unwrap().len(), 5);
    assert_eq!(status["sidecars"].as_array().unwrap().len(), 2);

    let (_, report, _) = home.run(&[&["--json", "doctor"], inspector].concat());
    let report: Value = serde_json::from_str(&report).unwrap();
    let findings = report["findings"].as_array().unwrap();
    let of = |check: &str| findings.iter().find(|finding| finding["check"] == check).unwrap();
    for check in ["bus", "payload", "trust", "streams", "sidecar", "roster"] {
        assert_eq!(of(check)["state"], "ok", "{report}");
    }
    assert!(
        of("trust")["detail"].as_str().unwrap().starts_with("shared: "),
        "{report}"
    );
    for finding in findings {
        assert!(
            finding["state"] == "ok" || finding["fix"].is_string(),
            "{finding}"
        );
    }

    let root = company.as_root();
    let status = home.json(&["status", &root[0], &root[1]]);
    assert_eq!(
        (&status["trust"], &status["sends_as_others"]),
        (&json!("shared"), &json!(true)),
        "{status}"
    );
}
