//! Finding sidecars and the bus by their files, and not believing files that were left over.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use wagglebus_client::{Absence, Client, ClientError, discovery};
use wagglebus_schemas::places::{AgentFile, Places, PlacesSource};
use wagglebus_schemas::{AgentId, Hive};

fn places(run: &Path) -> Places {
    let source = PlacesSource {
        wagglebus_run: Some(run.to_owned()),
        home: Some(run.to_owned()),
        temporary: run.to_owned(),
        ..PlacesSource::default()
    };
    let places = Places::new(Hive::default(), &source).unwrap();
    std::fs::create_dir_all(places.run_dir()).unwrap();
    places
}

fn alice() -> AgentId {
    "alice".parse().unwrap()
}

/// A process id that belonged to a process which has ended.
fn ended_process() -> u32 {
    let mut child = std::process::Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    child.id()
}

fn agent_file(agent: &str, pid: u32) -> Value {
    json!({ "agent": agent, "pid": pid, "socket": "/s", "http": null, "token_file": null, "epoch": 1 })
}

fn write(path: PathBuf, value: &Value) {
    std::fs::write(path, value.to_string()).unwrap();
}

#[test]
fn a_sidecar_is_found_by_its_file_if_its_process_lives() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path());
    write(
        places.agent_file(&alice()),
        &agent_file("alice", std::process::id()),
    );
    assert_eq!(
        discovery::sidecar(&places, &alice()).unwrap().socket,
        Path::new("/s")
    );
    assert_eq!(discovery::sidecars(&places).unwrap().len(), 1);
}

#[test]
fn the_leading_coordinator_is_found_where_the_bus_says() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path());
    let token_file = folder.path().join("token");
    let bus = |coordinator: Value| {
        let me = std::process::id();
        let bus = json!({
            "url": "nats://127.0.0.1:1", "monitor": "http://127.0.0.1:2", "pid": me, "supervisor_pid": me,
            "credentials_file": "/k", "durability": "always", "coordinator": coordinator,
        });
        write(places.bus_file(), &bus);
        Client::of_coordinator(&places)
    };
    assert!(bus(Value::Null).unwrap().is_none());
    let address = json!({ "http": "http://127.0.0.1:7788", "token_file": token_file });
    let unread = bus(address.clone()).unwrap_err();
    assert!(matches!(unread, ClientError::NoBus { .. }), "{unread:?}");
    std::fs::write(&token_file, "abc\n").unwrap();
    let client = bus(address).unwrap().unwrap();
    assert_eq!(client.endpoint().to_string(), "127.0.0.1:7788");
}

#[test]
fn absence_says_what_was_found_instead_and_what_to_type() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path());
    let absence = || match discovery::sidecar(&places, &alice()) {
        Err(error @ ClientError::NoSidecar { .. }) => {
            assert_eq!(error.exit_code(), 5);
            assert!(error.hint().unwrap().contains("--agent alice"));
            let ClientError::NoSidecar { absence, .. } = error else {
                unreachable!()
            };
            absence
        }
        other => panic!("{other:?}"),
    };
    assert!(matches!(absence(), Absence::NoFile(_)));
    let pid = ended_process();
    write(places.agent_file(&alice()), &agent_file("alice", pid));
    assert!(matches!(absence(), Absence::Stale { pid: found, .. } if found == pid));
    for garbage in ["", "{", "null", "{\"agent\":\"alice\"}", &" ".repeat(70_000)] {
        std::fs::write(places.agent_file(&alice()), garbage).unwrap();
        assert!(matches!(absence(), Absence::Unreadable { .. }), "{garbage:.20}");
    }
    assert!(discovery::sidecars(&places).unwrap().is_empty());
}

#[test]
fn the_bus_is_there_while_its_supervisor_lives() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path());
    assert!(matches!(
        discovery::bus(&places),
        Err(ClientError::NoBus {
            absence: Absence::NoFile(_)
        })
    ));
    let ended = ended_process();
    let file = |supervisor: u32| {
        json!({ "url": "nats://127.0.0.1:1", "monitor": "http://127.0.0.1:2", "pid": ended, "supervisor_pid": supervisor,
                "credentials_file": "/c", "durability": "always", "coordinator": null })
    };
    write(places.bus_file(), &file(ended));
    assert!(matches!(
        discovery::bus(&places),
        Err(ClientError::NoBus {
            absence: Absence::Stale { .. }
        })
    ));
    write(places.bus_file(), &file(std::process::id()));
    assert_eq!(
        discovery::bus(&places).unwrap().pid,
        ended,
        "nats-server may be down: its supervisor restarts it"
    );
}

#[test]
fn tcp_needs_a_listener_and_a_readable_token() {
    let folder = tempfile::tempdir().unwrap();
    let token_file = folder.path().join("token");
    let mut file: AgentFile = serde_json::from_value(agent_file("alice", 1)).unwrap();
    assert!(Client::over_tcp(&file).unwrap().is_none());
    file.http = Some("http://127.0.0.1:1".into());
    file.token_file = Some(token_file.clone());
    assert!(matches!(
        Client::over_tcp(&file),
        Err(ClientError::NoSidecar { .. })
    ));
    std::fs::write(&token_file, "secret\n").unwrap();
    let client = Client::over_tcp(&file).unwrap().unwrap();
    assert_eq!(client.endpoint().to_string(), "127.0.0.1:1");
    file.http = Some("ftp://x".into());
    assert!(matches!(
        Client::over_tcp(&file),
        Err(ClientError::Address { .. })
    ));
}
