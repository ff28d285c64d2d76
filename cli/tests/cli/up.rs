//! The life of a bus: it comes up, stays up, and ends without leaving anything behind.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;

use crate::home::{Home, SIDECAR, ready};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

fn number(value: &Value) -> u32 {
    value.as_u64().unwrap().try_into().unwrap()
}

fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.try_into().unwrap()).unwrap(), signal).unwrap();
}

fn runs(pid: u32) -> bool {
    wagglebus_client::process::exists(pid)
}

#[test]
fn up_in_the_background_status_and_down() {
    let home = Home::new(SIDECAR);
    let (code, _, stderr) = home.run(&["up", "--detach", "--alert-limit", "urgent_unred=30"]);
    assert!(code == 2 && stderr.contains("urgent_unread"), "{stderr}");
    assert!(!home.path("run/wb").exists(), "nothing is started");
    fs::create_dir_all(home.path(".config/wagglebus")).unwrap();
    let said = "[sidecar]\nslots = 3\n[coordinator]\nlisten = '127.0.0.1:7799'\n";
    fs::write(home.path(".config/wagglebus/config.toml"), said).unwrap();
    let (code, stdout, stderr) = home.run(&["up", "--detach", "--relaxed"]);
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert!(
        home.log("operator")
            .contains("told --agent operator --slots 3 http")
    );
    assert!(home.log("coordinator").contains("listens at 127.0.0.1:7799"));
    assert!(
        stdout.contains("relaxed") && stdout.contains("WB_MESSAGES") && stderr.contains("wagglebus down"),
        "{stdout}{stderr}"
    );

    let bus = home.bus();
    let (server, supervisor) = (number(&bus["pid"]), number(&bus["supervisor_pid"]));
    assert!(runs(server) && runs(supervisor));
    assert_eq!(
        fs::metadata(home.path("run/wb/bus.json"))
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o600
    );
    let context: Value =
        serde_json::from_slice(&fs::read(home.path(".config/nats/context/wagglebus.json")).unwrap()).unwrap();
    assert_eq!(context["url"], bus["url"]);

    let (code, stdout, _) = home.run(&["status", "--json"]);
    let status: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(
        (code, &status["server"], &status["durability"]),
        (0, &"ok".into(), &"relaxed".into())
    );
    let streams = status["streams"].as_array().unwrap();
    assert_eq!(streams.len(), 5, "{stdout}");
    assert_eq!(status["sidecars"][0]["agent"], "operator");

    // A second one changes nothing; in the foreground it is refused.
    assert_eq!(home.run(&["up", "--detach"]).0, 0);
    let (code, _, stderr) = home.run(&["up", "--detach", "--alert-command", "./page.sh"]);
    assert!(
        code == 1 && stderr.contains("without --alert-command") && stderr.contains("wagglebus down"),
        "{stderr}"
    );
    let (code, _, stderr) = home.run(&["up"]);
    assert_eq!(code, 1);
    assert!(stderr.contains(&format!("process {supervisor}")), "{stderr}");

    let (code, stdout, _) = home.run(&["down"]);
    assert_eq!(code, 0);
    assert!(stdout.contains("ended: up"), "{stdout}");
    assert!(!runs(server) && !runs(supervisor) && !home.path("run/wb/bus.json").exists());
    let (code, stdout, stderr) = home.run(&["down"]);
    assert_eq!((code, stdout.as_str()), (0, ""), "{stderr}");
    assert_eq!(home.run(&["status"]).0, 5);
}

#[test]
fn the_server_is_replaced_under_the_same_url_and_the_next_up_comes_back_there() {
    let home = Home::new(SIDECAR);
    let mut up = home.command(&["--json", "up", "--relaxed"]).spawn().unwrap();
    let first = ready(&mut up);
    signal(number(&first["pid"]), Signal::KILL);
    let mut told = BufReader::new(up.stderr.take().unwrap()).lines();
    assert!(told.any(|line| line.unwrap().contains("runs again")));
    let second = home.bus();
    assert_ne!(second["pid"], first["pid"]);
    assert_eq!(second["url"], first["url"]);

    signal(up.id(), Signal::TERM);
    assert_eq!(up.wait().unwrap().code(), Some(0));
    assert!(!runs(number(&second["pid"])) && !home.path("run/wb/bus.json").exists());

    let mut up = home.command(&["--json", "up"]).spawn().unwrap();
    let third = ready(&mut up);
    assert_eq!(
        (&third["url"], &third["durability"], &third["storage_bytes"]),
        (&first["url"], &"always".into(), &first["storage_bytes"])
    );
    assert_eq!(
        third["changed"],
        serde_json::json!([]),
        "the streams are still there"
    );
    signal(up.id(), Signal::INT);
    assert_eq!(up.wait().unwrap().code(), Some(130));
}

#[test]
fn what_a_killed_up_leaves_behind_is_ended_by_the_next() {
    let home = Home::new(SIDECAR);
    let mut up = home.command(&["--json", "up", "--relaxed"]).spawn().unwrap();
    ready(&mut up);
    let operator: Value =
        serde_json::from_slice(&fs::read(home.path("run/wb/operator.json")).unwrap()).unwrap();
    let left_over = number(&operator["pid"]);
    signal(up.id(), Signal::KILL);
    up.wait().unwrap();
    assert!(runs(left_over));
    let (code, stdout, stderr) = home.run(&["down"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(
        stdout.contains("operator") && stdout.contains("coordinator"),
        "{stdout}"
    );
    assert!(!runs(left_over));
}

#[test]
fn a_bus_that_does_not_come_up_says_why_and_leaves_nothing() {
    let home = Home::new("#!/bin/sh\necho no such luck >&2; exit 7\n");
    let (code, stdout, stderr) = home.run(&["up", "--detach", "--relaxed"]);
    assert_eq!((code, stdout.as_str()), (1, ""));
    assert!(stderr.contains("no such luck"), "{stderr}");
    assert!(!home.path("run/wb/bus.json").exists());
    assert!(home.log("nats-server").contains("Server Exiting"));

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let (code, _, stderr) = home.run(&["up", "--port", &port]);
    assert_eq!(code, 1);
    assert!(stderr.contains(&format!("port {port} is in use")), "{stderr}");
}
