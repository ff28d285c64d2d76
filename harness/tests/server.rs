//! The fixture against a real nats-server: it starts, dies, comes back and leaves nothing behind.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use futures::StreamExt;
use futures::future::try_join_all;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::time::timeout;
use wagglebus_harness::server::TestServer;
use wagglebus_nats::server::monitor::Scope;
use wagglebus_nats::server::{Health, Launch, ReloadError, StartError};

async fn jetstream(server: &TestServer) -> async_nats::jetstream::Context {
    async_nats::jetstream::new(async_nats::connect(server.url()).await.unwrap())
}

#[tokio::test]
async fn many_start_at_once_on_different_ports() {
    let servers = try_join_all((0..8).map(|_| TestServer::open())).await.unwrap();
    let mut urls: Vec<&str> = servers.iter().map(TestServer::url).collect();
    urls.sort_unstable();
    urls.dedup();
    assert_eq!(urls.len(), 8);
    for server in &servers {
        assert_eq!(
            server.monitor().unwrap().health(Scope::Everything).await,
            Health::Well
        );
    }
}

#[tokio::test]
async fn a_killed_server_comes_back_with_its_data_at_its_place() {
    let mut server = TestServer::open().await.unwrap();
    let url = server.url().to_owned();
    let stream = async_nats::jetstream::stream::Config {
        name: "S".into(),
        subjects: vec!["s".into()],
        ..Default::default()
    };
    let js = jetstream(&server).await;
    js.create_stream(stream).await.unwrap();
    js.publish("s", "kept".into()).await.unwrap().await.unwrap();
    let pid = server.pid().unwrap();

    server.kill().await.unwrap();
    assert!(server.pid().is_err());
    assert!(server.kill().await.is_err());
    server.start().await.unwrap();
    assert!(server.start().await.is_err());

    assert_eq!(server.url(), url);
    assert_ne!(server.pid().unwrap(), pid);
    let js = jetstream(&server).await;
    let message = js
        .get_stream("S")
        .await
        .unwrap()
        .get_raw_message(1)
        .await
        .unwrap();
    assert_eq!(message.payload, "kept");

    server.stop().await.unwrap();
    assert!(server.log().contains("Server Exiting"));
}

#[tokio::test]
async fn a_paused_server_answers_when_it_is_resumed() {
    let server = TestServer::open().await.unwrap();
    let client = async_nats::connect(server.url()).await.unwrap();
    let mut echo = client.subscribe("echo").await.unwrap();
    client.flush().await.unwrap();

    server.pause().unwrap();
    assert!(matches!(
        server.monitor().unwrap().health(Scope::JetStream).await,
        Health::Ill(_)
    ));
    client.publish("echo", "hello".into()).await.unwrap();
    assert!(timeout(Duration::from_millis(100), echo.next()).await.is_err());

    server.resume().unwrap();
    let message = timeout(Duration::from_secs(10), echo.next())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(message.payload, "hello");
    assert_eq!(
        server.monitor().unwrap().health(Scope::JetStream).await,
        Health::Well
    );
}

#[tokio::test]
async fn a_new_configuration_is_in_force_when_reload_returns() {
    let server = TestServer::with_config(|paths| {
        format!(
            "jetstream {{ store_dir: {:?} }}\ninclude users.conf\n",
            write_users(&paths.dir, "alice")
        )
    })
    .await
    .unwrap();
    let log_in = |user: &str| {
        async_nats::ConnectOptions::with_user_and_password(user.into(), "secret".into())
            .connect(server.url().to_owned())
    };
    assert!(log_in("bob").await.is_err());

    write_users(&server.paths().dir, "bob");
    server.reload().await.unwrap();
    assert!(log_in("bob").await.is_ok());

    fs::write(server.paths().dir.join("users.conf"), "authorization {").unwrap();
    let error = server.reload().await.unwrap_err();
    assert!(
        matches!(error.downcast_ref(), Some(ReloadError::Kept { .. })),
        "{error:?}"
    );
    assert!(error.to_string().contains("Failed to reload"), "{error}");
    assert!(log_in("bob").await.is_ok());
}

/// Returns the store folder, to be used inside a configuration.
fn write_users(dir: &Path, user: &str) -> PathBuf {
    let users = format!("authorization {{ users: [ {{ user: {user}, password: secret }} ] }}\n");
    fs::write(dir.join("users.conf"), users).unwrap();
    dir.join("store")
}

#[tokio::test]
async fn a_configuration_with_a_fault_is_refused_with_the_reason() {
    let error = TestServer::with_config(|_| "jetstream { store_dir: ".to_owned())
        .await
        .unwrap_err();
    let Some(StartError::Ended { reason, .. }) = error.downcast_ref() else {
        panic!("{error:?}")
    };
    assert!(reason.contains("Parse error on line 1"), "{reason}");
}

#[tokio::test]
async fn a_port_of_somebody_else_is_named() {
    let mut server = TestServer::open().await.unwrap();
    server.stop().await.unwrap();
    let address = server.url().trim_start_matches("nats://").to_owned();
    let _listener = std::net::TcpListener::bind(&address).unwrap();
    let error = server.start().await.unwrap_err();
    assert!(
        matches!(error.downcast_ref(), Some(StartError::PortInUse(_))),
        "{error:?}"
    );
}

#[tokio::test]
async fn nothing_is_left_of_a_dropped_server() {
    for paused in [false, true] {
        let server = TestServer::open().await.unwrap();
        let (pid, dir) = (server.pid().unwrap(), server.paths().dir.clone());
        if paused {
            server.pause().unwrap();
        }
        drop(server);
        assert!(!dir.exists());
        assert_eq!(group_members(pid), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_server_ends_with_its_test_program_even_after_sigkill() {
    let dir = tempfile::tempdir().unwrap();
    let mut victim = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "victim", "--ignored", "--nocapture"])
        .env("TMPDIR", dir.path())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines();
    let group: u32 = loop {
        let line = lines.next_line().await.unwrap().expect("the victim ended early");
        if let Some((_, pid)) = line.split_once("server ") {
            break pid.parse().unwrap();
        }
    };
    assert_eq!(group_members(group).len(), 2, "server and watcher");
    victim.kill().await.unwrap();
    timeout(Duration::from_secs(10), async {
        while !group_members(group).is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
#[ignore = "run, and killed, by another test"]
async fn victim() {
    let server = TestServer::open().await.unwrap();
    println!("server {}", server.pid().unwrap());
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_server_that_is_not_bound_outlives_its_handle() {
    let mut fixture = TestServer::open().await.unwrap();
    fixture.stop().await.unwrap();
    let unbound = Launch {
        bound: false,
        ..fixture.launch().clone()
    }
    .start()
    .await
    .unwrap();
    let (pid, monitor) = (unbound.pid(), unbound.monitor());
    assert_eq!(group_members(pid).len(), 1, "no watcher");

    drop(unbound);
    let health = monitor.health(Scope::JetStream).await;
    assert!(
        Command::new("kill")
            .args(["-KILL", &pid.to_string()])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(health, Health::Well);
}

/// Processes whose process group is `group`: the server and its watcher.
fn group_members(group: u32) -> Vec<String> {
    let output = Command::new("ps")
        .args(["-eo", "pgid=,pid=,comm="])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let group = group.to_string();
    text.lines()
        .filter(|line| line.split_whitespace().next() == Some(&group))
        .map(str::to_owned)
        .collect()
}
