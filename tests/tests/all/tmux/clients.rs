//! The tmux client that stays while messages follow each other: it ends with what it is for.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use wagglebus_client::Client;
use wagglebus_schemas::level::ReceiptLevel;
use wagglebus_schemas::{Level, Priority};

use super::heartbeats::Heartbeats;
use super::stage::{READER, into_pane, reader_hive, send_until, until};
use crate::messages::{WITHIN, draft, send};

/// The processes that were started with a path in this folder.
fn clients(folder: &Path) -> Vec<String> {
    let folder = folder.to_string_lossy();
    let pids = fs::read_dir("/proc").unwrap().flatten();
    pids.filter_map(|entry| {
        let arguments = fs::read(entry.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&arguments).replace('\0', " ");
        let is_one = line.starts_with("tmux ") && line.contains(&format!("{folder}/pane-calls"));
        is_one.then(|| entry.file_name().to_string_lossy().into_owned())
    })
    .collect()
}

/// The files in a folder whose names begin so.
fn files(folder: &Path, begin: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with(begin)).collect()
}

#[tokio::test]
async fn one_client_stays_while_messages_come_and_ends_when_none_does() {
    let (_tmux, reader, fleet) = reader_hive(READER).await;
    let alice = fleet.sidecar("alice").unwrap().client();
    let folder = fleet.sidecar("bob").unwrap().state_dir().to_owned();
    for number in 0..20 {
        let text = format!("message {number}");
        send_until(&alice, &draft("bob", Priority::Normal, &text), Level::Injected).await;
        assert!(clients(&folder).len() <= 1, "{:?}", clients(&folder));
    }
    assert_eq!(reader.submitted(20).await.len(), 20);
    assert_eq!(clients(&folder).len(), 1, "it is there for the next one");
    assert_eq!(files(&folder, "pane-text-").len(), 0, "no text stays behind");
    let fifos = files(&folder, "pane-calls-");
    assert_eq!(fifos.len(), 2, "only its own: {fifos:?}");
    until(
        || clients(&folder).is_empty(),
        || format!("{:?}", clients(&folder)),
    )
    .await;
    assert_eq!(files(&folder, "pane-calls-"), Vec::<String>::new());
    send_until(&alice, &draft("bob", Priority::Normal, "later"), Level::Injected).await;
    let others = files(&folder, "pane-calls-");
    assert!(others.iter().all(|name| !fifos.contains(name)), "{others:?}");
}

/// Whether a sidecar has what its client reads from open.
fn holds_the_end(pid: u32) -> bool {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    let mut paths = open.filter_map(|entry| fs::read_link(entry.path()).ok());
    paths.any(|path| path.to_string_lossy().contains("/pane-calls-"))
}

#[tokio::test]
async fn a_client_ends_with_its_sidecar_however_that_ends() {
    let (tmux, reader, mut fleet) = reader_hive(READER).await;
    let alice = fleet.sidecar("alice").unwrap().client();
    let folder = fleet.sidecar("bob").unwrap().state_dir().to_owned();
    for kills in [true, false] {
        send_until(&alice, &draft("bob", Priority::Normal, "now"), Level::Injected).await;
        assert_eq!(clients(&folder).len(), 1);
        let bob = fleet.sidecar_mut("bob").unwrap();
        let pid = bob.process().unwrap().pid();
        // A client that just turns to its next file has no end to read yet; it would end with the next sidecar.
        until(|| holds_the_end(pid), || format!("{:?}", clients(&folder))).await;
        if kills {
            bob.kill().await.unwrap();
        } else {
            bob.stop().await.unwrap();
        }
        until(
            || clients(&folder).is_empty(),
            || format!("{:?}", clients(&folder)),
        )
        .await;
        fleet
            .start("bob", &into_pane(&tmux, &reader.pane, READER))
            .await
            .unwrap();
    }
}

fn kill_clients(folder: &Path) {
    for client in clients(folder) {
        let killed = Command::new("kill").args(["-KILL", &client]).status();
        assert!(killed.unwrap().success());
    }
}

#[tokio::test]
async fn a_client_that_is_killed_is_replaced() {
    let (_tmux, reader, fleet) = reader_hive(READER).await;
    let alice = fleet.sidecar("alice").unwrap().client();
    let folder = fleet.sidecar("bob").unwrap().state_dir().to_owned();
    for number in 1..=8 {
        let text = format!("message {number}");
        send_until(&alice, &draft("bob", Priority::Normal, &text), Level::Injected).await;
        if number % 2 == 0 {
            kill_clients(&folder);
        }
    }
    let submits = reader.submitted(8).await;
    let in_order = |(at, submit): (usize, &String)| submit.contains(&format!("| message {}\n", at + 1));
    assert!(submits.iter().enumerate().all(in_order), "{submits:?}");
    send(&alice, &draft("bob", Priority::Normal, "the last")).await;
    assert_eq!(reader.submitted(9).await.len(), 9);
    assert_eq!(reader.pastes(), 9, "none is pasted twice");
}

/// Whether a sidecar says that it leaves tmux alone.
async fn until_left_alone(client: &Client, alone: bool) {
    let line = format!(
        "breaker_open{{agent=\"bob\",bridge=\"tmux\"}} {}",
        u8::from(alone)
    );
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    let told = async {
        while !client.metrics().await.unwrap().contains(&line) {
            tick.tick().await;
        }
    };
    tokio::time::timeout(WITHIN, told).await.expect(&line);
}

#[tokio::test]
async fn a_tmux_that_cannot_be_reached_is_left_alone_and_gets_everything_later() {
    let (tmux, reader, fleet) = reader_hive(READER).await;
    let alice = fleet.sidecar("alice").unwrap().client();
    let bob = fleet.sidecar("bob").unwrap();
    let mut beats = Heartbeats::of(&fleet, "bob").await;
    let (socket, away) = (tmux.path("socket"), tmux.path("away"));
    fs::rename(&socket, &away).unwrap();
    // One that is connected needs no socket.
    kill_clients(bob.state_dir());
    let sent = send(&alice, &draft("bob", Priority::Normal, "patience")).await;
    beats
        .like(|beat| beat["hold"]["reason"] == "cannot_wake" && beat["state"] == "idle")
        .await;
    until_left_alone(&bob.client(), true).await;
    let trace = alice.trace(sent.id).await.unwrap().value;
    // What was fetched before that was known is held; nothing else happened to it.
    let mut receipts = trace.receipts.iter();
    assert!(
        receipts.all(|receipt| receipt.level == ReceiptLevel::Held),
        "{trace:?}"
    );
    fs::rename(&away, &socket).unwrap();
    assert!(reader.submitted(1).await[0].contains("| patience"));
    until_left_alone(&bob.client(), false).await;
    beats.hold(None).await;
    assert_eq!(reader.pastes(), 1);
}
