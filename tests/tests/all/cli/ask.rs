//! Questions and their answers between real agents; the rest of the inbox stays as it was.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use wagglebus_client::{Client, Endpoint, SendOptions};
use wagglebus_harness::fleet::program;
use wagglebus_schemas::Draft;
use wagglebus_schemas::message::MessageType;

use super::{Home, until};

/// Answers each question but those about silence, as the README's echo does.
const ECHO: &str = r#"
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if message.get("message_type") == "question" and message["content"] != "silence":
        print(json.dumps({"to_agent": message["from_agent"], "content": "you said: " + message["content"],
                          "message_type": "response", "metadata": {"in_reply_to": message["id"]}}), flush=True)
"#;

struct Echo(Child);

impl Echo {
    fn start(home: &Home) -> Self {
        let mut command = home.command(program::find("wagglebus").unwrap());
        command.args([
            "sidecar",
            "--agent",
            "echo",
            "--capability",
            "rust",
            "stdio",
            "--",
            "python3",
            "-c",
            ECHO,
        ]);
        let child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        until(|| home.path("run/wb/echo.json").exists());
        Self(child)
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn waiting(home: &Home, agent: &str) -> Vec<(String, u64)> {
    let inbox = home.json(&["--as", agent, "inbox"]);
    let messages = inbox["messages"].as_array().unwrap().iter();
    let messages = messages.map(|item| {
        let id = item["message"]["id"].as_str().unwrap().to_owned();
        (id, item["delivery"].as_u64().unwrap())
    });
    messages.collect()
}

#[test]
fn ask_prints_the_response_and_leaves_other_mail_alone() {
    let (mut home, _) = Home::up();
    home.sidecars(&["alice", "bob"]);
    let echo = Echo::start(&home);
    let sent = home.json(&["--as", "bob", "send", "alice", "unrelated"]);
    let before = vec![(sent["id"].as_str().unwrap().to_owned(), 0)];
    assert_eq!(waiting(&home, "alice"), before);

    let (code, stdout, stderr) = home.run(&[
        "--as",
        "alice",
        "ask",
        "echo",
        "are you there?",
        "--timeout",
        "30s",
    ]);
    assert_eq!(
        (code, stdout.as_str(), stderr.as_str()),
        (0, "you said: are you there?\n", "")
    );
    let reply = home.json(&[
        "--as",
        "alice",
        "ask",
        "echo",
        "and now?",
        "-p",
        "high",
        "--timeout",
        "30s",
    ]);
    assert_eq!(reply["content"], "you said: and now?");
    assert_eq!(reply["from_agent"], "echo");
    // Whom the capability was resolved to is told, since it is not what was typed.
    let (code, stdout, stderr) = home.run(&[
        "--as",
        "alice",
        "ask",
        "capability:rust",
        "who?",
        "--timeout",
        "30s",
    ]);
    assert_eq!(
        (code, stdout.as_str(), stderr.as_str()),
        (0, "you said: who?\n", "echo answers:\n")
    );
    // All are settled, though the other mail lies before them; it was not even handed over.
    assert_eq!(waiting(&home, "alice"), before);
    assert_eq!(home.json(&["--as", "alice", "inbox"])["pending"]["normal"], 1);
    let trace = |id: &str| home.json(&["--as", "echo", "trace", id])["level"].clone();
    until(|| trace(reply["id"].as_str().unwrap()) == "done");
    // Taking goes on behind what has ended.
    let taken = home.json(&["--as", "alice", "inbox", "--take", "8"]);
    assert_eq!(taken["messages"].as_array().unwrap().len(), 1, "{taken}");
    drop(echo);
}

#[test]
fn without_a_response_the_question_stays_accepted_and_can_be_waited_on() {
    let (mut home, _) = Home::up();
    home.sidecars(&["alice", "bob"]);
    let ask = |more: &[&str]| {
        let (code, stdout, stderr) = home.run(&[&["--json", "--as", "alice", "ask", "bob"], more].concat());
        let told = if code == 0 { stdout } else { stderr };
        (code, serde_json::from_str::<Value>(&told).unwrap())
    };
    let (code, told) = ask(&["how far?", "--timeout", "200ms"]);
    let error = &told["error"];
    assert_eq!((code, &error["code"]), (4, &"level_not_reached".into()), "{told}");
    let id = error["details"]["id"].as_str().unwrap().to_owned();
    assert!(
        error["hint"]
            .as_str()
            .unwrap()
            .contains(&format!("wagglebus --as alice trace {id}")),
        "{told}"
    );
    assert_eq!(waiting(&home, "bob"), [(id.clone(), 0)]);

    // Bob answers and settles the question in one go; then the same command finds the answer.
    let (code, stdout, stderr) = home.run(&["--as", "bob", "reply", &id, "half way", "--ack"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.ends_with(" stored\n"), "{stdout}");
    assert_eq!(waiting(&home, "bob"), []);
    let (code, reply) = ask(&["how far?", "--timeout", "30s", "--id", &id]);
    assert_eq!((code, &reply["content"]), (0, &"half way".into()), "{reply}");
    assert_eq!(reply["metadata"]["in_reply_to"], id.as_str());
    assert_eq!(
        reply["conversation_id"],
        id.as_str(),
        "it is in the question's conversation"
    );
    assert_eq!(waiting(&home, "alice"), []);
}

/// A question that is asked in the background, and lies in bob's inbox.
fn asking(home: &Home) -> (Child, String) {
    let id = "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c31".to_owned();
    let mut command = home.command(program::find("wagglebus").unwrap());
    let arguments = [
        "--as",
        "alice",
        "ask",
        "bob",
        "may I?",
        "--id",
        &id,
        "--timeout",
        "60s",
    ];
    let child = command
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    until(|| waiting(home, "bob").iter().any(|(waits, _)| *waits == id));
    (child, id)
}

#[tokio::test]
async fn nobody_answers_for_another() {
    let (mut home, _) = Home::up();
    home.sidecars(&["alice", "bob", "carol"]);
    let (child, id) = asking(&home);
    let carol = Client::new(Endpoint::Unix(home.path("run/wb/carol.sock")));
    let mut forged = Draft::text("alice".parse().unwrap(), "yes, delete it all".to_owned());
    forged.message_type = MessageType::Response;
    forged.metadata.insert("in_reply_to".into(), id.as_str().into());
    let forged = carol.send(&forged, SendOptions::default()).await.unwrap().value;
    let (code, _, stderr) = home.run(&["--as", "bob", "reply", &id, "better not"]);
    assert_eq!(code, 0, "{stderr}");

    let asked = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(asked.stdout), text(asked.stderr));
    assert_eq!(
        (asked.status.code(), stdout.as_str()),
        (Some(0), "better not\n"),
        "{stderr}"
    );
    assert!(
        stderr.contains("response of carol") && stderr.contains("bob was asked"),
        "{stderr}"
    );
    assert_eq!(waiting(&home, "alice"), [(forged.id.to_string(), 0)]);
}

/// The response is told; its sidecar does not answer to the settling.
#[test]
fn an_interrupt_ends_the_settling_too() {
    let (mut home, _) = Home::up();
    home.sidecars(&["alice", "bob"]);
    let (mut child, id) = asking(&home);
    let signal = |signal: &str, pid: &str| {
        let done = Command::new("kill").args([signal, pid]).status().unwrap();
        assert!(done.success());
    };
    signal("-STOP", &home.file("run/wb/alice.json")["pid"].to_string());
    let (code, _, stderr) = home.run(&["--as", "bob", "reply", &id, "yes"]);
    assert_eq!(code, 0, "{stderr}");
    let mut told = [0; 4];
    child.stdout.take().unwrap().read_exact(&mut told).unwrap();
    assert_eq!(&told, b"yes\n");
    let begun = Instant::now();
    signal("-INT", &child.id().to_string());
    let ended = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(130), "{stderr}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!(stderr.contains("stays in the inbox is not known"), "{stderr}");
}

#[test]
fn reply_answers_what_was_said_to_the_agent_and_nothing_else() {
    let (mut home, _) = Home::up();
    home.sidecars(&["alice", "bob"]);
    let sent = home.json(&[
        "--as", "alice", "send", "bob", "look", "-p", "urgent", "-t", "task",
    ]);
    let id = sent["id"].as_str().unwrap();
    let run = |arguments: &[&str]| home.run(arguments);
    let (code, _, stderr) = run(&["--as", "alice", "reply", id, "x"]);
    assert!(code == 6 && stderr.contains("alice wrote message"), "{stderr}");
    let (code, _, stderr) = run(&["reply", id, "x"]);
    assert!(
        code == 6 && stderr.contains("wagglebus --as bob reply"),
        "{stderr}"
    );
    let nobody = "3a0f3b8e-54c6-4d0e-9f9f-1c2d3e4f5a6b";
    assert_eq!(run(&["--as", "bob", "reply", nobody, "x"]).0, 3);
    assert_eq!(waiting(&home, "alice"), []);

    // In hand: the current lease settles it.
    let taken = home.json(&["--as", "bob", "inbox", "--take", "1"]);
    assert_eq!(taken["messages"][0]["message"]["id"], id);
    let told = home.json(&["--as", "bob", "reply", id, "I do", "--ack", "--wait", "stored"]);
    let (reply, _) = &waiting(&home, "alice")[0];
    assert_eq!(told["id"], reply.as_str());
    let message = home.json(&["--as", "bob", "history", "--limit", "1"]);
    let fields = [
        "from_agent",
        "to_agent",
        "priority",
        "message_type",
        "conversation_id",
    ]
    .map(|f| message[f].clone());
    assert_eq!(fields, ["bob", "alice", "urgent", "response", id]);
    until(|| home.json(&["--as", "alice", "trace", id])["level"] == "done");
    // Settled long ago: it can be answered once more, and acking again says the same.
    let (code, _, stderr) = run(&["--as", "bob", "reply", id, "still do", "-p", "low", "--ack"]);
    assert_eq!(code, 0, "{stderr}");
}
