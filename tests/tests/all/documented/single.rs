//! One durable node that a service manager keeps running: killed again and again, it loses nothing.

use std::time::Duration;

use serde_json::Value;
use wagglebus_client::{Client, Endpoint};
use wagglebus_harness::fleet::program;
use wagglebus_harness::server::TestServer;
use wagglebus_schemas::Priority;

use super::{AGENTS, copy_accounts, export, put, text};
use crate::cli::Home;
use crate::messages::{ack, draft, send, take};

const KILLS: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn a_durable_node_that_is_started_again_loses_nothing() {
    let mut home = Home::empty();
    let out = export(&home, &[]);
    let mut conf = put(&text("single-node.conf"), "10.0.0.1:4222", "127.0.0.1:0");
    conf = put(&conf, "127.0.0.1:8222", "127.0.0.1:0");
    conf = put(&conf, "22G", "4G");
    let mut node = TestServer::with_config(|paths| {
        copy_accounts(&out, &paths.dir);
        put(&conf, "/var/lib/nats", paths.store.to_str().unwrap())
    })
    .await
    .unwrap();
    let seed = |name: &str| {
        let file = home.path(&format!("state/wagglebus/wb/keys/named/{name}.nk"));
        file.to_str().unwrap().to_owned()
    };
    let url = node.url().to_owned();
    let provision = [
        "provision",
        "--server",
        &url,
        "--nkey",
        &seed("_admin"),
        "--storage",
        "512MiB",
    ];
    home.json(&[&provision[..], &AGENTS].concat());
    let mut clients = Vec::new();
    for agent in ["alice", "bob"] {
        let mut command = home.command(program::find("wagglebus").unwrap());
        let key = home.path(&format!("state/wagglebus/wb/keys/named/{agent}.nk"));
        command.args([
            "sidecar",
            "--agent",
            agent,
            "--server",
            &url,
            "--api-prefix",
            "wb.js",
        ]);
        command.arg("--nkey").arg(key).arg("http");
        home.keep(command, &format!("run/wb/{agent}.json"), "sidecars.log");
        let file = home.file(&format!("run/wb/{agent}.json"));
        clients.push(Client::new(Endpoint::Unix(
            file["socket"].as_str().unwrap().into(),
        )));
    }
    let key = home.path("state/wagglebus/wb/keys/named/alice.nk");
    let as_alice = [
        "--json",
        "doctor",
        "--server",
        &url,
        "--api-prefix",
        "wb.js",
        "--nkey",
    ];
    let (_, report, _) = home.run(&[&as_alice[..], &[key.to_str().unwrap()]].concat());
    let report: Value = serde_json::from_str(&report).unwrap();
    let findings = report["findings"].as_array().unwrap();
    let of = |check: &str| findings.iter().find(|finding| finding["check"] == check).unwrap();
    assert!(
        of("trust")["detail"].as_str().unwrap().starts_with("isolated"),
        "{report}"
    );
    assert_eq!(
        (&of("streams")["state"], &of("trust")["state"]),
        (&"ok".into(), &"ok".into()),
        "{report}"
    );

    let [alice, bob] = &clients[..] else { panic!() };
    for round in 0..KILLS {
        let sent = send(alice, &draft("bob", Priority::Normal, &format!("round {round}"))).await;
        // As `Restart=always` with `RestartSec` does it.
        node.kill().await.unwrap();
        node.start().await.unwrap();
        let items = tokio::time::timeout(Duration::from_secs(60), take(bob, 8))
            .await
            .unwrap();
        let ids: Vec<_> = items.iter().map(|item| item.message.id).collect();
        assert_eq!(ids, [sent.id], "round {round}");
        ack(bob, &items[0]).await;
    }
}

#[test]
fn the_unit_ends_a_node_in_good_order_and_starts_it_again() {
    let unit = text("nats-server.service");
    for line in [
        "Restart=always",
        "ExecStop=/bin/kill -USR2 $MAINPID",
        "ExecReload=/bin/kill -HUP $MAINPID",
    ] {
        assert!(unit.lines().any(|found| found == line), "{line}");
    }
}
