//! The Python agent that speaks the protocol itself, beside real sidecars.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use async_nats::ConnectOptions;
use serde_json::{Value, json};
use wagglebus_client::{Client, SendOptions, Take};
use wagglebus_harness::fleet::{Fleet, Options};
use wagglebus_schemas::api::{AckRequest, InboxItem};
use wagglebus_schemas::level::ReceiptLevel;
use wagglebus_schemas::message::MessageType;
use wagglebus_schemas::reason::DeadReason;
use wagglebus_schemas::{Draft, Id, Level, Message, Priority};

use crate::program::{Program, WITHIN, repository};

const FOLDER: &str = "examples/04-python-protocol-agent";
/// What a fenced process ends with (WIRE, Errors).
const FENCED: i32 = 6;

/// Two enrolled agents; alice has a sidecar.
async fn fleet() -> Fleet {
    let mut fleet = Fleet::open().await.unwrap();
    fleet.enrol(&["alice", "pythia"]).await.unwrap();
    fleet.start("alice", &Options::http()).await.unwrap();
    fleet
}

/// Starts pythia; each `state` is a folder of its own.
async fn pythia(fleet: &Fleet, state: &str, further: &[&str]) -> Program {
    let seed = fleet.bus().places().agent_seed_file(&"pythia".parse().unwrap());
    let state_dir: PathBuf = fleet.bus().home().join(state);
    let mut arguments = vec![
        "--agent",
        "pythia",
        "--nkey",
        seed.to_str().unwrap(),
        "--state-dir",
        state_dir.to_str().unwrap(),
        "--server",
        fleet.bus().url(),
    ];
    arguments.extend(further);
    Program::start(fleet, state, &format!("{FOLDER}/agent.py"), &arguments, &[]).await
}

fn alice(fleet: &Fleet) -> Client {
    fleet.sidecar("alice").unwrap().client()
}

fn question(text: &str) -> Draft {
    let mut draft = Draft::text("pythia".parse().unwrap(), text.to_owned());
    draft.message_type = MessageType::Question;
    draft
}

/// Sends a draft and waits until it has provably come to `level`.
async fn send(client: &Client, draft: &Draft, level: Level) -> Id {
    let options = SendOptions {
        wait: Some(level),
        timeout: Some(WITHIN),
        park: true,
    };
    client.send(draft, options).await.unwrap().value.id
}

/// Takes and acks one message.
async fn receive(client: &Client) -> InboxItem {
    let take = Take {
        timeout: WITHIN,
        ..Take::default()
    };
    let mut taken = client.inbox(take).await.unwrap().value.messages;
    let item = taken.pop().expect("no message came");
    let request = AckRequest {
        lease: item.lease.clone(),
        done: true,
    };
    client.ack(item.message.id, &request).await.unwrap();
    item
}

fn answered(message: &Message) -> Id {
    assert_eq!(message.message_type, MessageType::Response);
    message.metadata["in_reply_to"].as_str().unwrap().parse().unwrap()
}

#[test]
fn its_parts_pass_their_own_tests() {
    let output = Command::new("python3")
        .args(["-W", "error", "-m", "unittest", "discover", "-s", "."])
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .current_dir(repository(FOLDER))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("Ran 11 tests"), "{said}");
}

#[tokio::test]
async fn a_question_is_answered_and_every_level_is_proven() {
    let fleet = fleet().await;
    let (alice, pythia) = (alice(&fleet), pythia(&fleet, "one", &[]).await);
    let mut draft = question("quo vadis? 🐝");
    draft.priority = Priority::High;
    let id = send(&alice, &draft, Level::Done).await;

    let trace = alice.trace(id).await.unwrap().value;
    assert_eq!(trace.level, Level::Done);
    assert!(
        trace.explanation.starts_with("done by pythia"),
        "{}",
        trace.explanation
    );
    let levels: Vec<ReceiptLevel> = trace
        .receipts
        .iter()
        .flat_map(|receipt| receipt.levels.iter().map(|step| step.level))
        .collect();
    use ReceiptLevel::{Done, Fetched, Injected, Seen};
    assert_eq!(levels, [Fetched, Injected, Seen, Done]);
    assert!(
        trace
            .receipts
            .iter()
            .all(|receipt| receipt.delivery == Some(1) && receipt.epoch > Some(0))
    );

    let response = receive(&alice).await.message;
    assert_eq!(answered(&response), id);
    assert_eq!(response.content, "you asked: quo vadis? 🐝");
    assert_eq!(response.from_agent.as_str(), "pythia");
    assert_eq!(response.priority, Priority::High);
    assert_eq!(response.conversation_id, trace.message.conversation_id);
    // It reads the receipts about its own messages, too.
    pythia.says(&format!("{} is done at alice", response.id), 1).await;

    send(
        &alice,
        &Draft::text("pythia".parse().unwrap(), "a status".to_owned()),
        Level::Done,
    )
    .await;
    assert_eq!(pythia.terminate().await, Some(0));
    assert_eq!(fleet.unsettled("pythia").await.unwrap(), 0);
}

#[tokio::test]
async fn a_second_process_is_fenced_and_a_successor_is_not() {
    let fleet = fleet().await;
    let (alice, first) = (alice(&fleet), pythia(&fleet, "one", &[]).await);
    first.says("ready: epoch", 1).await;
    let (code, said) = pythia(&fleet, "two", &[]).await.exit_code().await;
    assert_eq!(code, Some(FENCED), "{said}");
    let mut sidecar = fleet.second("pythia", &Options::http()).unwrap();
    sidecar.launch().await.unwrap();
    assert_eq!(sidecar.exit_code().await.unwrap(), FENCED, "{}", sidecar.log());

    let id = send(&alice, &question("still you?"), Level::Done).await;
    assert_eq!(answered(&receive(&alice).await.message), id);
    first.kill().await;
    // The same folder: the lock says that the former life is over, so it need not wait for the end of the lease.
    let successor = pythia(&fleet, "one", &[]).await;
    successor.says("ready: epoch", 2).await;
    let id = send(&alice, &question("and now?"), Level::Done).await;
    assert_eq!(answered(&receive(&alice).await.message), id);
}

#[tokio::test]
async fn it_ends_when_a_sidecar_takes_the_lease_over() {
    let fleet = fleet().await;
    let program = pythia(&fleet, "one", &[]).await;
    program.says("ready: epoch", 1).await;
    let mut sidecar = fleet
        .second("pythia", &Options::http().with(&["--takeover"]))
        .unwrap();
    sidecar.start().await.unwrap();
    let (code, said) = program.exit_code().await;
    assert_eq!(code, Some(FENCED), "{said}");
    let client = sidecar.client();
    send(&alice(&fleet), &question("who are you?"), Level::Stored).await;
    assert_eq!(receive(&client).await.message.content, "who are you?");
}

#[tokio::test]
async fn a_server_that_dies_loses_nothing() {
    const QUESTIONS: usize = 60;
    let mut fleet = fleet().await;
    let (alice, pythia) = (alice(&fleet), pythia(&fleet, "one", &[]).await);
    let mut asked = BTreeSet::new();
    for number in 0..QUESTIONS {
        asked.insert(send(&alice, &question(&number.to_string()), Level::Accepted).await);
    }
    let mut answers = BTreeSet::new();
    for _ in 0..5 {
        assert!(answers.insert(answered(&receive(&alice).await.message)));
    }
    fleet.bus_mut().server_mut().kill().await.unwrap();
    pythia.says("not connected", 1).await;
    fleet.bus_mut().server_mut().start().await.unwrap();
    while answers.len() < QUESTIONS {
        let message = receive(&alice).await.message;
        assert!(
            answers.insert(answered(&message)),
            "answered twice: {message:?}\n{}",
            pythia.log()
        );
    }
    assert_eq!(answers, asked);
    for id in asked {
        let repeated = alice.trace(id).await.unwrap().value;
        assert!(repeated.level >= Level::Injected, "{repeated:?}");
    }
    // The last answer leaves before its question is acked.
    assert_eq!(pythia.terminate().await, Some(0));
    assert_eq!(fleet.unsettled("pythia").await.unwrap(), 0);
    assert!(fleet.dead_letters(None).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_message_in_hand_when_it_was_killed_is_answered_once() {
    let fleet = fleet().await;
    let alice = alice(&fleet);
    let slow = pythia(&fleet, "one", &["--work", "3600"]).await;
    let id = send(&alice, &question("what is in hand?"), Level::Injected).await;
    slow.kill().await;
    let next = pythia(&fleet, "one", &[]).await;
    // Not by the end of ack_wait.
    next.says("a lost hand-over comes again", 1).await;
    let response = receive(&alice).await.message;
    assert_eq!(answered(&response), id);
    // Whatever else would have come, came before this.
    let last = send(&alice, &question("and after?"), Level::Done).await;
    assert_eq!(answered(&receive(&alice).await.message), last);
    let deliveries: Vec<_> = alice.trace(id).await.unwrap().value.receipts;
    let deliveries: Vec<_> = deliveries.iter().map(|receipt| receipt.delivery).collect();
    assert_eq!(deliveries, [Some(1), Some(2), Some(2)]);
    assert_eq!(next.terminate().await, Some(0));
}

#[tokio::test]
async fn a_message_in_hand_at_its_end_goes_back() {
    let fleet = fleet().await;
    let alice = alice(&fleet);
    let slow = pythia(&fleet, "one", &["--work", "3600"]).await;
    let id = send(&alice, &question("what is in hand?"), Level::Injected).await;
    assert_eq!(slow.terminate().await, Some(0));
    let _next = pythia(&fleet, "one", &[]).await;
    assert_eq!(answered(&receive(&alice).await.message), id);
}

#[tokio::test]
async fn what_contradicts_its_envelope_is_a_dead_letter_and_blocks_nothing() {
    let fleet = fleet().await;
    let (alice, _pythia) = (alice(&fleet), pythia(&fleet, "one", &[]).await);
    let seed = fleet.bus().agent_key("alice").unwrap().seed().unwrap();
    let forger = ConnectOptions::with_nkey(seed)
        .connect(fleet.bus().url())
        .await
        .unwrap();
    let id = "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c3d";
    let body = json!({
        "id": id, "from_agent": "bob", "to_agent": "pythia", "content": "I am bob", "message_type": "question",
        "timestamp": "2026-01-02T03:04:05.678Z",
    });
    let mut headers = async_nats::HeaderMap::new();
    headers.insert("Nats-Msg-Id", id);
    let subject = "wb.msg.pythia.normal.alice";
    forger
        .publish_with_headers(subject, headers, body.to_string().into())
        .await
        .unwrap();
    forger.publish(subject, "{\"half\":".into()).await.unwrap();
    forger.flush().await.unwrap();

    // The one with an id is announced to whom the envelope names; the other one names nobody.
    let notice = receive(&alice).await.message;
    assert_eq!(notice.metadata["kind"], "undeliverable");
    assert_eq!(notice.metadata["in_reply_to"], id);
    let asked = send(&alice, &question("all well?"), Level::Done).await;
    assert_eq!(answered(&receive(&alice).await.message), asked);
    let letters = fleet.dead_letters(None).await.unwrap();
    let found: Vec<_> = letters
        .iter()
        .map(|letter| (letter.reason, letter.message_id.map(|id| id.to_string())))
        .collect();
    assert_eq!(
        found,
        [
            (DeadReason::Refused, Some(id.to_owned())),
            (DeadReason::Undecodable, None)
        ]
    );
    assert_eq!(letters[0].subject, subject);
}

#[tokio::test]
async fn the_coordinator_sees_it_come_and_go() {
    let mut fleet = fleet().await;
    fleet.start_coordinator().await.unwrap();
    let alice = alice(&fleet);
    let seen = async |wanted: &str| {
        let deadline = tokio::time::Instant::now() + WITHIN;
        loop {
            let agent = alice.agent(&"pythia".parse().unwrap()).await.unwrap();
            let agent: Value = serde_json::from_slice(&agent.body).unwrap();
            if agent["presence"] == wanted {
                return agent;
            }
            assert!(tokio::time::Instant::now() < deadline, "{agent}");
        }
    };
    let pythia = pythia(&fleet, "one", &[]).await;
    let agent = seen("alive").await;
    assert_eq!(
        (&agent["state"], &agent["version"]),
        (&json!("idle"), &json!("0.1.0"))
    );
    assert_eq!(pythia.terminate().await, Some(0));
    assert_eq!(seen("lost").await["state"], "gone");
}
