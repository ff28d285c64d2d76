//! Disks that are full: under the sidecar, and under the server.
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use wagglebus_client::SendOptions;
use wagglebus_harness::fleet::process::{LIMITABLE, limit_files};
use wagglebus_schemas::Level;
use wagglebus_schemas::error::ErrorCode;

use super::{accept, arrive, code, numbered, stored};
use crate::messages::{WITHIN, hive};

/// Length that no file may exceed while a disk is full: less than either program has written by then.
const FULL: u64 = 512;

#[tokio::test]
async fn a_full_disk_under_the_sidecar_refuses_with_a_reason_and_heals() {
    let fleet = hive(&["alice", "bob"]).await;
    let alice = fleet.sidecar("alice").unwrap().client();
    let bob = fleet.sidecar("bob").unwrap().client();
    let sent = numbered(4, 6);
    let (before, rest) = sent.split_at(2);
    for draft in before {
        stored(&alice, draft).await;
    }
    let limit = |bytes| {
        fleet
            .sidecar("alice")
            .unwrap()
            .process()
            .unwrap()
            .limit_files(bytes)
    };
    limit(Some(FULL)).unwrap();
    for draft in rest {
        assert_eq!(code(accept(&alice, draft).await), Some(ErrorCode::SpoolFull));
    }
    limit(None).unwrap();
    // What was refused was not accepted, so it may be sent under the same id.
    let healed = async { while accept(&alice, &rest[0]).await.is_err() {} };
    tokio::time::timeout(WITHIN, healed).await.unwrap();
    for draft in rest {
        stored(&alice, draft).await;
    }
    arrive(&bob, &sent.iter().collect::<Vec<_>>()).await;
}

#[tokio::test]
async fn a_full_disk_under_the_server_delays_and_loses_nothing() {
    let mut fleet = hive(&["alice", "bob"]).await;
    let alice = fleet.sidecar("alice").unwrap().client();
    let bob = fleet.sidecar("bob").unwrap().client();
    limitable(&mut fleet).await;
    let sent = numbered(5, 40);
    let (before, during) = sent.split_at(20);
    for draft in before {
        stored(&alice, draft).await;
    }
    limit_files(fleet.bus().server().pid().unwrap(), Some(FULL)).unwrap();
    let options = SendOptions {
        wait: Some(Level::Stored),
        timeout: Some(std::time::Duration::from_millis(500)),
        park: true,
    };
    let late = alice.send(&during[0], options).await.unwrap_err();
    assert_eq!(late.code(), Some(ErrorCode::LevelNotReached), "{late}");
    for draft in &during[1..] {
        assert_eq!(accept(&alice, draft).await.unwrap().level, Level::Accepted);
    }
    // Room alone does not heal a server whose store has failed: its supervisor starts it again (`server::supervise`).
    limit_files(fleet.bus().server().pid().unwrap(), None).unwrap();
    fleet.bus_mut().server_mut().restart().await.unwrap();
    stored(&alice, &during[19]).await;
    arrive(&bob, &sent.iter().collect::<Vec<_>>()).await;
}

/// Starts the server again in a way that it survives a limit.
async fn limitable(fleet: &mut wagglebus_harness::fleet::Fleet) {
    let home = fleet.bus().home().to_owned();
    let (text, wrapper) = (home.join("limitable.sh"), home.join("limitable"));
    let server = fleet.bus_mut().server_mut();
    let real = server.launch().program.clone();
    let script = LIMITABLE.replace("\"$0\"", &format!("'{}'", real.display()));
    fs::write(&text, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&text, fs::Permissions::from_mode(0o755)).unwrap();
    // Copied by another process: a file that this one wrote may still be open in a child of another test, and then
    // cannot be run.
    let copied = Command::new("cp").args([&text, &wrapper]).status().unwrap();
    assert!(copied.success());
    server.launch_mut().program = wrapper;
    server.restart().await.unwrap();
}
