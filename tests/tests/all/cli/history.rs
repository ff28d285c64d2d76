//! History out of the stream, and what `tail` chooses.

use std::time::Duration;

use serde_json::Value;
use wagglebus_nats::connect::{Credentials, Settings, connect};

use super::Home;
use crate::messages::WITHIN;

fn ids(lines: &str) -> Vec<String> {
    let id = |line: &str| {
        serde_json::from_str::<Value>(line).unwrap()["id"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    lines.lines().map(id).collect()
}

#[test]
fn history_shows_both_directions_and_what_was_settled() {
    let (mut home, _) = Home::up();
    home.sidecars(&["alice", "bob"]);
    let send = |from: &str, to: &str, text: &str, more: &[&str]| {
        let arguments = [&["--as", from, "send", to, text], more].concat();
        home.json(&arguments)["id"].as_str().unwrap().to_owned()
    };
    let question = send("alice", "bob", "is the Build red?", &["-t", "question"]);
    let answer = send("bob", "alice", "no", &["-p", "urgent", "-t", "response"]);
    let other = send("bob", "operator", "nothing to do with alice", &[]);
    let (code, _, stderr) = home.run(&["--as", "bob", "ack", &question]);
    assert_eq!(code, 0, "{stderr}");

    let history = |arguments: &[&str]| {
        let (code, stdout, stderr) = home.run(&[&["--json", "history"], arguments].concat());
        assert_eq!(code, 0, "{stderr}");
        (stdout, stderr)
    };
    // The receipt of an ack follows it.
    super::until(|| history(&["--as", "alice"]).0.contains(r#""acknowledged":true"#));
    let (lines, stderr) = history(&["--as", "alice"]);
    assert_eq!(ids(&lines), [question.as_str(), &answer], "oldest first");
    assert!(stderr.contains("2 messages from WB_MESSAGES"), "{stderr}");
    let settled = |line: &str| serde_json::from_str::<Value>(line).unwrap()["acknowledged"].clone();
    assert_eq!(lines.lines().map(settled).collect::<Vec<_>>(), [true, false]);
    // Out of the spool alice knows only what she sent: the answer was never handed over.
    let (lines, stderr) = history(&["--as", "alice", "--own"]);
    assert_eq!(ids(&lines), [question.as_str()]);
    assert!(stderr.contains("own spool"), "{stderr}");

    for (options, expected) in [
        (&["--with", "bob"][..], &[][..]),
        (&["--as", "bob", "--with", "operator"], &[&other]),
        (&["--as", "bob", "--limit", "2"], &[&answer, &other]),
        (&["--as", "bob", "--grep", "build"], &[&question]),
        (&["--everybody", "-p", "urgent"], &[&answer]),
        (&["--everybody", "--since", "1h", "-t", "question"], &[&question]),
        (&["--everybody", "--until", "1h"], &[]),
    ] {
        let expected: Vec<&str> = expected.iter().map(|id| id.as_str()).collect();
        let expected = if options == ["--with", "bob"] {
            vec![other.as_str()]
        } else {
            expected
        };
        assert_eq!(ids(&history(options).0), expected, "{options:?}");
    }
    let (_, stdout, _) = home.run(&[
        "tail",
        "--no-follow",
        "--jsonl",
        "--with",
        "alice",
        "-p",
        "urgent",
        "--last",
        "1",
    ]);
    assert_eq!(ids(&stdout), [answer]);
    assert_eq!(home.run(&["tail", "--no-follow", "--last", "0"]).1, "");
}

/// More messages than the first windows hold, of which few are asked for.
#[test]
fn what_lies_far_back_is_found() {
    let (mut home, _) = Home::up();
    home.sidecars(&["alice", "bob"]);
    let first = home.json(&["--as", "alice", "send", "bob", "the very first"]);
    let mut lines = String::new();
    for n in 0..400 {
        lines.push_str(&format!("{{\"to_agent\":\"bob\",\"content\":\"{n}\"}}\n"));
    }
    std::fs::write(home.path("drafts"), lines).unwrap();
    let mut carol = home.command(wagglebus_harness::fleet::program::find("wagglebus").unwrap());
    let script = format!("cat {}; exec cat > /dev/null", home.path("drafts").display());
    carol.args(["sidecar", "--agent", "carol", "stdio", "--", "sh", "-c", &script]);
    let mut carol = carol
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let count = |options: &[&str]| {
        let (code, stdout, stderr) = home.run(&[&["--json", "history"], options].concat());
        assert_eq!(code, 0, "{stderr}");
        ids(&stdout)
    };
    super::until(|| count(&["--everybody", "--from", "carol", "--limit", "1000"]).len() == 400);
    carol.kill().unwrap();
    carol.wait().unwrap();
    assert_eq!(count(&["--as", "alice"]), [first["id"].as_str().unwrap()]);
    assert_eq!(count(&["--as", "bob", "--limit", "401"]).len(), 401);
    assert_eq!(count(&["--everybody", "--grep", "very first"]).len(), 1);
    let newest = count(&["--as", "bob", "--limit", "3"]);
    assert_eq!(newest, count(&["--as", "bob", "--limit", "400"])[397..]);
}

#[test]
fn rooms_count_from_the_time_of_joining() {
    let (mut home, _) = Home::up();
    home.sidecars(&["alice", "bob", "carol"]);
    // A post to nobody would be refused.
    let (code, _, stderr) = home.run(&["--as", "carol", "room", "join", "design"]);
    assert_eq!(code, 0, "{stderr}");
    let post = |text: &str| {
        home.json(&["--as", "bob", "send", "--park", "room:design", text])["id"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let before = post("before");
    let (code, _, stderr) = home.run(&["--as", "alice", "room", "join", "design"]);
    assert_eq!(code, 0, "{stderr}");
    let after = post("after");
    let history = |arguments: &[&str]| ids(&home.run(&[&["--json", "history"], arguments].concat()).1);
    assert_eq!(history(&["--as", "alice"]), [after.as_str()]);
    assert_eq!(
        history(&["--as", "alice", "--with", "room:design"]),
        [after.as_str()]
    );
    assert_eq!(
        history(&["--as", "bob"]),
        [before.as_str(), &after],
        "what one wrote oneself"
    );
    assert_eq!(history(&[]), [""; 0]);
}

/// A sidecar that starts again may publish a message once more under its own id: nobody is shown it twice.
#[tokio::test]
async fn doubles_are_shown_once() {
    let (mut home, _) = Home::up();
    home.sidecars(&["alice"]);
    let bus = home.file("run/wb/bus.json");
    let mut settings = Settings::new(bus["url"].as_str().unwrap(), "test");
    settings.credentials = Credentials::NkeyFile(bus["credentials_file"].as_str().unwrap().into());
    let (connection, _) = connect(settings).await.unwrap();
    let id = "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c31";
    let message = serde_json::json!({ "id": id, "from_agent": "bob", "to_agent": "alice", "content": "x",
        "timestamp": "2026-01-02T03:04:05.000Z" });
    let session = connection.session().unwrap();
    let jetstream = session.jetstream();
    // The server forgets ids after this time, which is 15 minutes otherwise.
    let mut config = jetstream
        .get_stream("WB_MESSAGES")
        .await
        .unwrap()
        .cached_info()
        .config
        .clone();
    config.duplicate_window = Duration::from_millis(100);
    jetstream.update_stream(config).await.unwrap();
    let publish = async || {
        let mut headers = async_nats::HeaderMap::new();
        headers.insert("Nats-Msg-Id", id);
        let subject = "wb.msg.alice.normal.bob";
        let ack = jetstream.publish_with_headers(subject, headers, message.to_string().into());
        ack.await.unwrap().await.unwrap()
    };
    publish().await;
    let again = async { while publish().await.duplicate {} };
    tokio::time::timeout(WITHIN, again).await.unwrap();
    let (_, lines, _) = home.run(&["--json", "--as", "alice", "history"]);
    assert_eq!(ids(&lines), [id]);
    let inbox = home.json(&["--as", "alice", "inbox"]);
    assert_eq!(inbox["messages"].as_array().unwrap().len(), 1, "{inbox}");
    assert_eq!(inbox["pending"]["normal"], 1);
}
