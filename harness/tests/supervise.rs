//! Supervision of a real nats-server: crashes, silence, faults that only a human can mend.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use wagglebus_harness::server::TestServer;
use wagglebus_nats::server::{Event, GaveUp, Health, Launch, Limits, Monitor, Ports, StartError, supervise};

const LIMITS: Limits = Limits {
    check_every: Duration::from_millis(50),
    ill_for_max: Duration::from_millis(200),
    distance_first: Duration::from_millis(10),
    distance_max: Duration::from_millis(100),
    early: Duration::from_secs(30),
    first_starts_max: 3,
    stop_within: Duration::from_millis(200),
};

/// A server under supervision, with the files of a fixture whose own process is stopped.
struct Supervised {
    fixture: TestServer,
    events: mpsc::UnboundedReceiver<Event>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), GaveUp>>,
}

impl Supervised {
    async fn new() -> Self {
        let mut fixture = TestServer::open().await.unwrap();
        fixture.stop().await.unwrap();
        let launch = fixture.launch().clone();
        Self::with(fixture, launch)
    }

    fn with(fixture: TestServer, launch: Launch) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let (sender, events) = mpsc::unbounded_channel();
        let task = tokio::spawn(supervise(
            launch,
            LIMITS,
            async move { drop(stopped.await) },
            move |event| {
                drop(sender.send(event));
            },
        ));
        Self {
            fixture,
            events,
            stop,
            task,
        }
    }

    async fn next(&mut self) -> Event {
        timeout(Duration::from_secs(20), self.events.recv())
            .await
            .expect("an event in time")
            .expect("an event")
    }

    async fn started(&mut self) -> (u32, Ports) {
        let event = self.next().await;
        let Event::Started { pid, ports } = event else {
            panic!("{event:?} instead of Started")
        };
        (pid, ports)
    }
}

fn signal(name: &str, pid: u32) {
    assert!(
        Command::new("kill")
            .args([name, &pid.to_string()])
            .status()
            .unwrap()
            .success()
    );
}

#[tokio::test]
async fn a_killed_server_is_back_at_its_place_until_supervision_stops() {
    let mut supervised = Supervised::new().await;
    let (mut pid, ports) = supervised.started().await;
    assert_eq!(ports.client_url(), supervised.fixture.url());
    for _ in 0..3 {
        signal("-KILL", pid);
        let event = supervised.next().await;
        assert!(
            matches!(event, Event::Ended(status) if !status.success()),
            "{event:?}"
        );
        assert!(matches!(supervised.next().await, Event::Restarting(_)));
        let (next, same) = supervised.started().await;
        assert_ne!(next, pid);
        assert_eq!(same, ports);
        pid = next;
    }
    supervised.stop.send(()).unwrap();
    supervised.task.await.unwrap().unwrap();
    let monitor = Monitor::from_url(&ports.monitor_url()).unwrap();
    assert!(matches!(
        monitor
            .health(wagglebus_nats::server::monitor::Scope::JetStream)
            .await,
        Health::Ill(_)
    ));
}

#[tokio::test]
async fn a_silent_server_is_replaced() {
    let mut supervised = Supervised::new().await;
    let (pid, ports) = supervised.started().await;
    signal("-STOP", pid);
    assert!(matches!(supervised.next().await, Event::Ill(reason) if reason.contains("did not answer")));
    assert!(matches!(supervised.next().await, Event::Replacing));
    assert_eq!(supervised.started().await.1, ports);
}

#[tokio::test]
async fn a_server_that_recovers_is_left_alone() {
    let mut supervised = Supervised::new().await;
    let (pid, _) = supervised.started().await;
    signal("-STOP", pid);
    assert!(matches!(supervised.next().await, Event::Ill(_)));
    signal("-CONT", pid);
    assert!(matches!(supervised.next().await, Event::Recovered));
    supervised.stop.send(()).unwrap();
    supervised.task.await.unwrap().unwrap();
}

/// A file size limit stands for a full disk: it needs no root, and the server meets the same error when it writes.
#[tokio::test]
async fn a_server_that_cannot_write_is_replaced_and_stores_again() {
    let mut fixture = TestServer::open().await.unwrap();
    fixture.stop().await.unwrap();
    let mut launch = fixture.launch().clone();
    let (real, limited) = (launch.program.clone(), fixture.paths().dir.join("limited"));
    let limit = fixture.paths().dir.join("full");
    let script = format!(
        "#!/bin/sh\n[ -e '{}' ] && trap '' XFSZ && ulimit -f 512\nexec '{}' \"$@\"\n",
        limit.display(),
        real.display()
    );
    let text = fixture.paths().dir.join("limited.sh");
    fs::write(&text, script).unwrap();
    fs::set_permissions(&text, fs::Permissions::from_mode(0o755)).unwrap();
    // Copied by another process: a file that this one wrote may still be open in a child of another test, and then
    // cannot be run.
    assert!(
        Command::new("cp")
            .args([&text, &limited])
            .status()
            .unwrap()
            .success()
    );
    fs::write(&limit, "").unwrap();
    launch.program = limited;
    let mut supervised = Supervised::with(fixture, launch);
    supervised.started().await;

    let client = async_nats::connect(supervised.fixture.url()).await.unwrap();
    let mut js = async_nats::jetstream::new(client);
    js.set_timeout(Duration::from_secs(1));
    let config = async_nats::jetstream::stream::Config {
        name: "S".into(),
        subjects: vec!["s".into()],
        ..Default::default()
    };
    let mut stream = js.create_stream(config).await.unwrap();
    let mut stored = 0;
    while js
        .publish("s", vec![b'x'; 64 * 1024].into())
        .await
        .unwrap()
        .await
        .is_ok()
    {
        stored += 1;
        assert!(stored < 100, "the limit was never met");
    }
    fs::remove_file(limit).unwrap();
    let reason = loop {
        if let Event::Ill(reason) = supervised.next().await {
            break reason;
        }
    };
    assert!(reason.contains("write error"), "{reason}");
    timeout(Duration::from_secs(20), async {
        while js.publish("s", "again".into()).await.unwrap().await.is_err() {}
    })
    .await
    .unwrap();
    assert!(stream.info().await.unwrap().state.messages > stored);
}

#[tokio::test]
async fn a_server_that_never_starts_is_given_up_with_the_reason() {
    let mut supervised = Supervised::new().await;
    let (pid, _) = supervised.started().await;
    fs::write(&supervised.fixture.paths().config, "jetstream {").unwrap();
    signal("-KILL", pid);
    // Once up, it is tried on and on.
    let mut failures = 0;
    while failures < 5 {
        failures += usize::from(matches!(
            supervised.next().await,
            Event::StartFailed(StartError::Ended { .. })
        ));
    }
    supervised.stop.send(()).unwrap();
    supervised.task.await.unwrap().unwrap();

    let never = std::future::pending();
    let gave_up = supervise(supervised.fixture.launch().clone(), LIMITS, never, |_| {})
        .await
        .unwrap_err();
    assert_eq!(gave_up.starts, LIMITS.first_starts_max);
    assert!(matches!(gave_up.last, StartError::Ended { reason, .. } if reason.contains("Parse error")));
}
