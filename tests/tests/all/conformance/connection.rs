//! Connections that cannot be made, and what the events tell.

use std::path::PathBuf;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use wagglebus_harness::server::TestServer;
use wagglebus_nats::bus::Bus;
use wagglebus_nats::connect::{ConnectError, Credentials, Event, Settings, connect};
use wagglebus_nats::error::{NoAnswer, PublishFault, Retry};
use wagglebus_schemas::Priority;

use super::suite::{note, publish};
use super::world::{Real, connected, disconnected, wait_for};

async fn refused(settings: Settings) -> ConnectError {
    let result = tokio::time::timeout(Duration::from_secs(10), connect(settings)).await;
    result.expect("an answer in time").expect_err("no connection")
}

/// A port where nobody listens.
async fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().port()
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_from_a_bad_setting() {
    let nowhere = format!("nats://127.0.0.1:{}", closed_port().await);
    let error = refused(Settings::new(&nowhere, "test")).await;
    assert!(matches!(error, ConnectError::NotReachable { .. }), "{error:?}");
    assert!(error.heals() && error.to_string().contains(&nowhere), "{error}");

    let error = refused(Settings::new("http://127.0.0.1", "test")).await;
    assert!(matches!(error, ConnectError::Config { .. }), "{error:?}");

    let missing = PathBuf::from("no/such/file.nk");
    let credentials = Credentials::NkeyFile(missing.clone());
    let error = refused(Settings {
        credentials,
        ..Settings::new(&nowhere, "test")
    })
    .await;
    assert!(
        matches!(&error, ConnectError::File { path, .. } if *path == missing),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_server_with_users_wants_credentials() {
    let users = "authorization { users: [ { user: bob, password: right } ] }";
    let server =
        TestServer::with_config(|paths| format!("jetstream {{ store_dir: {:?} }}\n{users}\n", paths.store))
            .await
            .unwrap();
    let user = |password: &str| Credentials::User {
        name: "bob".to_owned(),
        password: password.to_owned(),
    };
    for credentials in [
        Credentials::None,
        user("wrong"),
        Credentials::Token("x".to_owned()),
    ] {
        let error = refused(Settings {
            credentials,
            ..Settings::new(server.url(), "test")
        })
        .await;
        assert!(
            matches!(error, ConnectError::Auth { .. }) && !error.heals(),
            "{error:?}"
        );
    }
    Real::connect(Settings {
        credentials: user("right"),
        ..Settings::new(server.url(), "test")
    })
    .await;
    let in_address = server.url().replace("nats://", "nats://bob:right@");
    Real::connect(Settings::new(in_address, "test")).await;
    let mut required = Settings::new(server.url(), "test");
    required.tls.required = true;
    let error = refused(required).await;
    assert!(
        matches!(
            error,
            ConnectError::Tls { .. } | ConnectError::NotReachable { .. }
        ),
        "{error:?}"
    );
}

/// A server of another version, as far as a client gets to know it.
async fn server_of_version(version: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("nats://{}", listener.local_addr().unwrap());
    let info = format!(
        "INFO {{\"server_id\":\"x\",\"version\":\"{version}\",\"max_payload\":1048576,\"headers\":true}}\r\n"
    );
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.write_all(info.as_bytes()).await.unwrap();
            let mut heard = [0; 1024];
            while stream.read(&mut heard).await.is_ok_and(|n| n > 0) {
                if stream.write_all(b"PONG\r\n").await.is_err() {
                    break;
                }
            }
        }
    });
    url
}

#[tokio::test]
async fn a_server_that_is_too_old_is_refused_and_an_old_one_is_flagged() {
    let error = refused(Settings::new(server_of_version("2.10.29").await, "test")).await;
    assert!(
        matches!(error, ConnectError::TooOld { .. }) && error.to_string().contains("2.10.29"),
        "{error}"
    );
    for (version, old) in [("2.11.0", true), ("2.14.0", false)] {
        let (connection, _events) = connect(Settings::new(server_of_version(version).await, "test"))
            .await
            .unwrap();
        assert_eq!(connection.session().unwrap().server().is_old(), old, "{version}");
    }
}

#[tokio::test]
async fn a_server_may_come_later_and_go_and_come_again() {
    let mut server = TestServer::open().await.unwrap();
    server.kill().await.unwrap();
    let settings = Settings {
        retry_first: true,
        ..Settings::new(server.url(), "test")
    };
    let (connection, mut events) = connect(settings).await.unwrap();
    assert!(connection.session().is_none());
    wait_for(&mut events, |event| {
        matches!(event, Event::Retrying { error } if error.heals()).then_some(())
    })
    .await;
    server.start().await.unwrap();
    assert_eq!(connected(&mut events).await, 1);
    server.kill().await.unwrap();
    disconnected(&mut events).await;
    assert!(connection.session().is_none());
    server.start().await.unwrap();
    assert_eq!(connected(&mut events).await, 2);
    connection.clone().close().await;
    wait_for(&mut events, |event| matches!(event, Event::Closed).then_some(())).await;
    assert!(connection.session().is_none() && events.next().await.is_none());
}

#[tokio::test]
async fn a_bus_that_comes_back_at_another_port_is_found() {
    let mut before = TestServer::open().await.unwrap();
    let after = TestServer::open().await.unwrap();
    let home = tempfile::tempdir().unwrap();
    let bus_file = home.path().join("bus.json");
    let says = |url: &str| {
        let bus = serde_json::json!({
            "url": url, "monitor": "http://127.0.0.1:1", "pid": 1, "supervisor_pid": 1,
            "credentials_file": "admin.nk", "durability": "relaxed", "coordinator": null,
        });
        std::fs::write(&bus_file, bus.to_string()).unwrap();
    };
    says(before.url());
    let settings = Settings {
        bus_file: Some(bus_file.clone()),
        ..Settings::new("nats://127.0.0.1:1", "test")
    };
    let (connection, mut events) = connect(settings).await.unwrap();
    assert_eq!(connected(&mut events).await, 1);
    before.kill().await.unwrap();
    disconnected(&mut events).await;
    // While it is away we stay with what we know.
    std::fs::remove_file(&bus_file).unwrap();
    wait_for(&mut events, |event| {
        matches!(event, Event::Retrying { .. }).then_some(())
    })
    .await;
    says(after.url());
    assert_eq!(connected(&mut events).await, 2);
    connection.close().await;
}

/// The server tells a refusal beside the answers only; the publish must not wait for its time to run out.
#[tokio::test]
async fn a_refused_subject_fails_the_call_that_waits_for_it() {
    let users = "authorization { users: [ { user: bob, password: b, permissions: {
        publish: { allow: [\"wb.msg.*.*.bob\", \"$JS.API.INFO\"] }, subscribe: [\"_INBOX.>\"] } } ] }";
    let server =
        TestServer::with_config(|paths| format!("jetstream {{ store_dir: {:?} }}\n{users}\n", paths.store))
            .await
            .unwrap();
    let credentials = Credentials::User {
        name: "bob".to_owned(),
        password: "b".to_owned(),
    };
    let mut real = Real::connect(Settings {
        credentials,
        ..Settings::new(server.url(), "test")
    })
    .await;
    let record = note(Priority::Low, "in another's name");
    let subject = record.subject.clone();
    let asked = std::time::Instant::now();
    let error = publish(&real.bus, record).await.unwrap_err();
    assert_eq!(error.fault, PublishFault::NoAnswer(NoAnswer::PermissionDenied));
    assert_eq!(error.retry(), Retry::Never);
    assert!(
        asked.elapsed() < Duration::from_secs(4),
        "told by the refusal, not by the time"
    );
    let told = wait_for(&mut real.events, |event| {
        let Event::PermissionDenied { subject } = event else {
            return None;
        };
        Some(subject.clone())
    });
    assert_eq!(told.await, subject);
    let lane = super::suite::lane(Priority::Low);
    let error = real
        .bus
        .fetch(&lane, wagglebus_nats::bus::FetchShape::NoWait)
        .await
        .unwrap_err();
    assert_eq!(error.fault, NoAnswer::PermissionDenied.into());
}
